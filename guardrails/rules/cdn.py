"""Rules on the CDN before the buckets."""

from typing import Any

from guardrails.model import Check, Plan, Resource, Severity, Where, names, rule
from guardrails.values import listed

CDN = "aws:cloudfront/distribution:Distribution"
LOG_SOURCE = "aws:cloudwatch/logDeliverySource:LogDeliverySource"
OLD_TLS = {"SSLv3", "TLSv1", "TLSv1_2016", "TLSv1.1_2016"}


def _behaviors(resource: Resource) -> list[dict[str, Any]]:
    found = [resource.get("defaultCacheBehavior"), *listed(resource.get("orderedCacheBehaviors"))]
    return [each for each in found if isinstance(each, dict)]


@rule(
    "cdn-tls",
    Severity.high,
    CDN,
    "a CDN that answers requests without TLS",
    "signed URLs cross the network in clear text",
    "set viewerProtocolPolicy to redirect-to-https",
    "AWS CloudFront.3",
)
def cdn_tls(resource: Resource, plan: Plan) -> Check:
    found = {each.get("viewerProtocolPolicy") for each in _behaviors(resource)}
    return Check(found <= {"redirect-to-https", "https-only"}, f"viewerProtocolPolicy is {names(found)}")


@rule(
    "cdn-origin",
    Severity.high,
    CDN,
    "a CDN that reads its bucket without an access control",
    "the bucket has to be open for it",
    "give each origin an originAccessControlId",
    "AWS CloudFront.13",
)
def cdn_origin(resource: Resource, plan: Plan) -> Check:
    bare = [each.get("originId") for each in listed(resource.get("origins")) if not each.get("originAccessControlId")]
    return Check(not bare, f"without access control: {names(bare) or 'none'}")


@rule(
    "cdn-signed",
    Severity.critical,
    CDN,
    "a CDN that shows whatever no rule of it names",
    "a private bucket's files are read without a signed URL",
    "give the default behavior trustedKeyGroups",
    "AWS CloudFront.17",
)
def cdn_signed(resource: Resource, plan: Plan) -> Check:
    signed = bool(resource.get("defaultCacheBehavior", "trustedKeyGroups"))
    bare = [each.get("pathPattern", "default") for each in _behaviors(resource) if not each.get("trustedKeyGroups")]
    return Check(signed, f"without a signed URL: {names(bare) or 'nothing'}")


@rule(
    "cdn-certificate",
    Severity.medium,
    CDN,
    "a CDN that speaks an old TLS, or has CloudFront's own certificate",
    "CloudFront's own one lets TLS 1.0 in",
    "give it a certificate and minimumProtocolVersion TLSv1.2_2021",
    "AWS CloudFront.15",
    "AWS CloudFront.7",
    where=Where.kept,
)
def cdn_certificate(resource: Resource, plan: Plan) -> Check:
    own = resource.get("viewerCertificate", "cloudfrontDefaultCertificate")
    least = resource.get("viewerCertificate", "minimumProtocolVersion") or "TLSv1"
    return Check(
        not own and least not in OLD_TLS, f"{'CloudFront’s own certificate' if own else 'a certificate'}, {least}"
    )


@rule(
    "cdn-logged",
    Severity.medium,
    CDN,
    "a CDN whose requests are logged nowhere",
    "who read which file can't be said afterwards",
    "add a LogDelivery, as components/cdn.py does",
    "AWS CloudFront.5",
    whole=True,
)
def cdn_logged(resource: Resource, plan: Plan) -> Check:
    found = [each.name for each in plan.of_type(LOG_SOURCE) if each.inputs.get("logType") == "ACCESS_LOGS"]
    return Check(bool(found), f"log sources: {names(found) or 'none'}")


@rule(
    "cdn-firewall",
    Severity.low,
    CDN,
    "a CDN without a firewall",
    "nothing slows down who asks for every name there is",
    "set webAclId; here what is private needs a signed URL, and names can't be guessed",
    "AWS CloudFront.6",
    where=Where.kept,
)
def cdn_firewall(resource: Resource, plan: Plan) -> Check:
    acl = resource.inputs.get("webAclId")
    return Check(bool(acl), f"webAclId is {'set' if acl else 'not set'}")


RULES = (
    cdn_tls,
    cdn_origin,
    cdn_signed,
    cdn_certificate,
    cdn_logged,
    cdn_firewall,
)

"""The CDN itself: where it gets objects, and how it answers for which paths."""

import secrets
import time
from typing import Any, ClassVar

from local.standins.aws.resource import AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Block, Counted, Field, Instant, ListOf, SetOf, TagMap, choice
from plugin.server import PluginError

# Of every distribution (AWS General Reference, "Amazon CloudFront endpoints and quotas").
HOSTED_ZONE = "Z2FDTNDATAQYW2"
DEPLOYED_WITHIN = 60
_POLICY = "use a CachePolicy instead"
_UNUSED = "the stand-in doesn't know it, leave it out"
_METHODS = SetOf(choice("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))


class Behavior(Block):
    """How requests are answered; AWS has the cached methods inside of the allowed ones."""

    def to_aws(self, value: Any) -> Any:
        own = {name: item for name, item in value.items() if name not in ("allowedMethods", "cachedMethods")}
        cached = {"Quantity": len(value["cachedMethods"]), "Items": value["cachedMethods"]}
        allowed = {"Quantity": len(value["allowedMethods"]), "Items": value["allowedMethods"], "CachedMethods": cached}
        groups = value.get("trustedKeyGroups") or []
        trusted = {"Enabled": bool(groups), "Quantity": len(groups), "Items": groups}
        # Where nothing is said, moto compresses and AWS doesn't.
        plain = {"Compress": False, "SmoothStreaming": False}
        return {**plain, **super().to_aws(own), "AllowedMethods": allowed, "TrustedKeyGroups": trusted}

    def from_aws(self, value: Any) -> Any:
        allowed = value["AllowedMethods"]
        return {
            **super().from_aws({**value, "AllowedMethods": None}),
            "allowedMethods": allowed["Items"],
            "cachedMethods": allowed["CachedMethods"]["Items"],
        }


def _behavior(more: dict[str, Field]) -> Behavior:
    return Behavior(
        {
            **more,
            "allowedMethods": Field(shape=_METHODS, required=True),
            "cachedMethods": Field(shape=_METHODS, required=True),
            "targetOriginId": Field(required=True),
            "viewerProtocolPolicy": Field(shape=choice("allow-all", "https-only", "redirect-to-https"), required=True),
            "cachePolicyId": Field(),
            "compress": Field(shape=FLAG),
            "originRequestPolicyId": Field(),
            "responseHeadersPolicyId": Field(),
            "smoothStreaming": Field(shape=FLAG),
            "trustedKeyGroups": Field(shape=Counted(TEXT)),
        },
        {
            "defaultTtl": _POLICY,
            "fieldLevelEncryptionId": _UNUSED,
            "forwardedValues": _POLICY,
            "functionAssociations": _UNUSED,
            "grpcConfig": _UNUSED,
            "lambdaFunctionAssociations": _UNUSED,
            "maxTtl": _POLICY,
            "minTtl": _POLICY,
            "realtimeLogConfigArn": _UNUSED,
            "trustedSigners": "use trustedKeyGroups instead",
        },
    )


class Origin(Block):
    """Where objects come from: a bucket, here."""

    def to_aws(self, value: Any) -> Any:
        # AWS wants to know what kind of origin it is; an identity of the older kind is left empty.
        return {"OriginPath": "", **super().to_aws(value), "S3OriginConfig": {"OriginAccessIdentity": ""}}


_ORIGIN = Origin(
    {
        "domainName": Field(required=True),
        "originId": Field(required=True, aws="Id"),
        "connectionAttempts": Field(shape=NUMBER, computed=True),
        "connectionTimeout": Field(shape=NUMBER, computed=True),
        "originAccessControlId": Field(),
        "originPath": Field(),
    },
    {
        "customHeaders": _UNUSED,
        "customOriginConfig": "the stand-in knows buckets only",
        "originShield": _UNUSED,
        "responseCompletionTimeout": _UNUSED,
        "s3OriginConfig": "use originAccessControlId instead",
        "vpcOriginConfig": "the stand-in knows buckets only",
    },
)


class GeoRestriction(Block):
    """Which countries are served; AWS counts them in the same place."""

    def to_aws(self, value: Any) -> Any:
        countries = value.get("locations") or []
        return {"RestrictionType": value["restrictionType"], "Quantity": len(countries), "Items": countries}

    def from_aws(self, value: Any) -> Any:
        return {"restrictionType": value["RestrictionType"], "locations": value.get("Items") or []}


_GEO = GeoRestriction(
    {
        "restrictionType": Field(shape=choice("blacklist", "none", "whitelist"), required=True),
        "locations": Field(shape=SetOf(TEXT)),
    }
)
_CERTIFICATE = Block(
    {
        "acmCertificateArn": Field(aws="ACMCertificateArn"),
        "cloudfrontDefaultCertificate": Field(shape=FLAG, aws="CloudFrontDefaultCertificate"),
        "iamCertificateId": Field(aws="IAMCertificateId"),
        "minimumProtocolVersion": Field(computed=True),
        "sslSupportMethod": Field(computed=True, aws="SSLSupportMethod"),
    }
)


class CountedList(ListOf):
    """A list in an order that matters, which AWS wants counted."""

    def to_aws(self, value: Any) -> Any:
        return {"Quantity": len(value), "Items": super().to_aws(value)}

    def from_aws(self, value: Any) -> Any:
        return super().from_aws(value.get("Items") or [])


class Distribution(AwsKind):
    """A distribution. It is switched off before it is deleted, as AWS wants it."""

    token = "aws:cloudfront/distribution:Distribution"
    service = "cloudfront"
    noun = "distribution"
    gone = frozenset({"NoSuchDistribution"})
    tagged = True
    regional = False
    properties: ClassVar = {
        "aliases": Field(shape=Counted(TEXT)),
        "comment": Field(),
        "defaultCacheBehavior": Field(shape=_behavior({}), required=True),
        "defaultRootObject": Field(),
        "enabled": Field(shape=FLAG, required=True),
        "httpVersion": Field(shape=choice("http1.1", "http2", "http2and3", "http3"), default="http2"),
        "isIpv6Enabled": Field(shape=FLAG, aws="IsIPV6Enabled"),
        "orderedCacheBehaviors": Field(
            shape=CountedList(_behavior({"pathPattern": Field(required=True)})), aws="CacheBehaviors"
        ),
        "origins": Field(shape=Counted(_ORIGIN, key="originId"), required=True),
        "priceClass": Field(
            shape=choice("PriceClass_100", "PriceClass_200", "PriceClass_All"), default="PriceClass_All"
        ),
        "restrictions": Field(shape=Block({"geoRestriction": Field(shape=_GEO, required=True)}), required=True),
        "retainOnDelete": Field(shape=FLAG, local=True),
        "viewerCertificate": Field(shape=_CERTIFICATE, required=True),
        "waitForDeployment": Field(shape=FLAG, local=True, default=True),
        "webAclId": Field(aws="WebACLId"),
    }
    outputs: ClassVar = {
        "arn": TEXT,
        "callerReference": TEXT,
        "domainName": TEXT,
        "etag": TEXT,
        "hostedZoneId": TEXT,
        "inProgressValidationBatches": NUMBER,
        "lastModifiedTime": TEXT,
        "loggingV1Enabled": FLAG,
        "status": TEXT,
    }
    refused: ClassVar = {
        "anycastIpListId": _UNUSED,
        "cacheTagConfig": _UNUSED,
        "connectionFunctionAssociation": _UNUSED,
        "continuousDeploymentPolicyId": _UNUSED,
        "customErrorResponses": _UNUSED,
        "loggingConfig": "use aws.cloudwatch.LogDelivery instead",
        "originGroups": _UNUSED,
        "staging": _UNUSED,
        "viewerMtlsConfig": _UNUSED,
    }
    # moto says of both that there are none.
    withheld = frozenset({"trustedKeyGroups", "trustedSigners"})

    def _label(self, urn: str, inputs: Values) -> str:
        return str(inputs.get("comment") or super()._label(urn, inputs))

    def _config(self, inputs: Values, reference: str) -> Values:
        return {"Comment": "", **self.inputs.to_aws({**inputs, "tags": None}), "CallerReference": reference}

    def make(self, site: Site, inputs: Values) -> str:
        tags = {"Items": TagMap().to_aws(self.all_tags(inputs))}
        config = self._config(inputs, secrets.token_hex(16))
        made = site.client.create_distribution_with_tags(
            DistributionConfigWithTags={"DistributionConfig": config, "Tags": tags}
        )
        id: str = made["Distribution"]["Id"]
        if inputs.get("waitForDeployment"):
            self._deployed(site, id)
        return id

    def _deployed(self, site: Site, id: str) -> None:
        deadline = time.monotonic() + DEPLOYED_WITHIN
        while site.client.get_distribution(Id=id)["Distribution"]["Status"] != "Deployed":
            if time.monotonic() > deadline:
                raise PluginError(f"distribution {id}: not deployed after {DEPLOYED_WITHIN} s; run `up` again")
            time.sleep(0.05)

    def find(self, site: Site, id: str) -> Values | None:
        answer = site.client.get_distribution(Id=id)
        found = answer["Distribution"]
        config = found["DistributionConfig"]
        return {
            **self.inputs.from_aws(config),
            "arn": found["ARN"],
            "callerReference": config["CallerReference"],
            "domainName": found["DomainName"],
            "etag": answer["ETag"],
            "hostedZoneId": HOSTED_ZONE,
            "inProgressValidationBatches": found["InProgressInvalidationBatches"],
            "lastModifiedTime": Instant().from_aws(found["LastModifiedTime"]),
            "loggingV1Enabled": config["Logging"]["Enabled"],
            "status": found["Status"],
            "tagsAll": TagMap().from_aws(
                site.client.list_tags_for_resource(Resource=found["ARN"])["Tags"].get("Items") or []
            ),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        self._put(site, id, self._config(new, state["callerReference"]))
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.untag_resource(Resource=state["arn"], TagKeys={"Items": removed})
        if added:
            site.client.tag_resource(Resource=state["arn"], Tags={"Items": TagMap().to_aws(added)})
        if new.get("waitForDeployment"):
            self._deployed(site, id)

    def _put(self, site: Site, id: str, config: Values) -> None:
        etag = site.client.get_distribution_config(Id=id)["ETag"]
        site.client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=config)

    def remove(self, site: Site, id: str, state: Values) -> None:
        config = self._config({**state, "enabled": False}, state["callerReference"])
        self._put(site, id, config)
        if state.get("retainOnDelete"):
            return
        self._deployed(site, id)
        etag = site.client.get_distribution_config(Id=id)["ETag"]
        site.client.delete_distribution(Id=id, IfMatch=etag)

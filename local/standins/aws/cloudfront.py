"""The CDN's parts beside the distribution: access to origins, keys for signed URLs, policies for answers."""

from typing import Any, ClassVar

from local.standins.aws.cloud import partition
from local.standins.aws.distribution import Distribution
from local.standins.aws.resource import AutoName, AwsKind, Site, Values
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Block, Counted, Field, Scalar, choice
from plugin.server import CheckFailure

_NAME = Field(computed=True)
_UNUSED = "leave it out, the stand-in doesn't know numbers with a fraction"


def _only_items(items: Field) -> Field:
    """A block that holds nothing but `items`, which AWS counts."""
    return Field(shape=CountedBlock({"items": items}))


class CountedBlock(Block):
    """A block whose `items` AWS wants counted beside them."""

    def to_aws(self, value: Any) -> Any:
        items = self.fields["items"].shape.to_aws(value.get("items") or [])
        return {**super().to_aws({**value, "items": None}), **items}

    def from_aws(self, value: Any) -> Any:
        return {"items": self.fields["items"].shape.from_aws(value)}


class Configured(AwsKind):
    """A type that AWS keeps as one document with a version, which every change must name."""

    service = "cloudfront"
    regional = False
    thing: ClassVar[str]
    """As AWS spells it; its document is called the same with `Config`."""
    call: ClassVar[str]
    """As boto3 spells it."""

    def make(self, site: Site, inputs: Values) -> str:
        answer = getattr(site.client, f"create_{self.call}")(**self._document(inputs))
        return str(answer[self.thing]["Id"])

    def _document(self, inputs: Values) -> Values:
        return {f"{self.thing}Config": self.pack(inputs)}

    def pack(self, inputs: Values) -> Values:
        document: Values = self.inputs.to_aws(inputs)
        return document

    def unpack(self, document: Values) -> Values:
        values: Values = self.inputs.from_aws(document)
        return values

    def _get(self, site: Site, id: str) -> Values:
        answer: Values = getattr(site.client, f"get_{self.call}")(Id=id)
        return answer

    def find(self, site: Site, id: str) -> Values | None:
        answer = self._get(site, id)
        found = {**self.unpack(answer[self.thing][f"{self.thing}Config"]), "etag": answer["ETag"]}
        if "arn" in self.outputs:
            # Without an account, as the official plugin writes it where it isn't to ask for one.
            kind = self.call.replace("_", "-")
            found["arn"] = f"arn:{partition(site.region)}:cloudfront:::{kind}/{id}"
        return found

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        etag = self._get(site, id)["ETag"]
        getattr(site.client, f"update_{self.call}")(Id=id, IfMatch=etag, **self._document(new))

    def remove(self, site: Site, id: str, state: Values) -> None:
        etag = self._get(site, id)["ETag"]
        getattr(site.client, f"delete_{self.call}")(Id=id, IfMatch=etag)


class OriginAccessControl(Configured):
    """How the CDN signs its requests to an origin."""

    token = "aws:cloudfront/originAccessControl:OriginAccessControl"
    noun = "origin access control"
    gone = frozenset({"NoSuchOriginAccessControl"})
    thing, call = "OriginAccessControl", "origin_access_control"
    auto_name = AutoName("name", limit=64)
    properties: ClassVar = {
        "name": _NAME,
        "originAccessControlOriginType": Field(
            shape=choice("lambda", "mediapackagev2", "mediastore", "s3"), required=True
        ),
        "signingBehavior": Field(shape=choice("always", "never", "no-override"), required=True),
        "signingProtocol": Field(shape=choice("sigv4"), required=True),
        "description": Field(default="Managed by Pulumi"),
    }
    outputs: ClassVar = {"arn": TEXT, "etag": TEXT}


class Pem(Scalar):
    """A key in PEM; whether a line end follows means nothing."""

    def equal(self, old: Any, new: Any) -> bool:
        return bool(old.strip() == new.strip())


class PublicKey(Configured):
    """The key of a key pair with which the CDN checks signed URLs with."""

    token = "aws:cloudfront/publicKey:PublicKey"
    noun = "public key"
    gone = frozenset({"NoSuchPublicKey"})
    thing, call = "PublicKey", "public_key"
    auto_name = AutoName("name", "namePrefix", limit=128)
    properties: ClassVar = {
        "comment": Field(),
        "encodedKey": Field(shape=Pem(), required=True, immutable=True),
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, local=True),
    }
    outputs: ClassVar = {"callerReference": TEXT, "etag": TEXT}

    def faults(self, inputs: Values) -> list[CheckFailure]:
        key = inputs.get("encodedKey")
        if isinstance(key, str) and not key.startswith("-----BEGIN PUBLIC KEY-----"):
            return [CheckFailure("encodedKey", "must be a public key in PEM, which begins with BEGIN PUBLIC KEY")]
        return []

    def make(self, site: Site, inputs: Values) -> str:
        name = AutoName("name", "namePrefix").given(inputs)
        return super().make(site, {**inputs, "name": name})

    def pack(self, inputs: Values) -> Values:
        # The reference makes a repeated call the same call; a name is only given once.
        reference = inputs.get("callerReference") or inputs["name"]
        return {"CallerReference": reference, **super().pack(inputs)}

    def unpack(self, document: Values) -> Values:
        return {**super().unpack(document), "callerReference": document["CallerReference"]}

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        kept = {name: state[name] for name in ("callerReference", "name")}
        super().change(site, id, state, {**new, **kept})


class KeyGroup(Configured):
    """The public keys that a distribution accepts signatures of."""

    token = "aws:cloudfront/keyGroup:KeyGroup"
    noun = "key group"
    gone = frozenset({"NoSuchResource"})
    thing, call = "KeyGroup", "key_group"
    auto_name = AutoName("name", limit=128)
    properties: ClassVar = {
        "comment": Field(),
        # The one list of the service that isn't counted.
        "items": Field(shape=Counted(TEXT), required=True),
        "name": _NAME,
    }
    outputs: ClassVar = {"etag": TEXT}

    def pack(self, inputs: Values) -> Values:
        return {**super().pack(inputs), "Items": list(inputs["items"])}

    def unpack(self, document: Values) -> Values:
        return super().unpack({**document, "Items": {"Items": document["Items"]}})


def _chosen(name: str, what: str) -> Field:
    """Which cookies, headers or arguments are part of a cache key."""
    inner = {f"{name}Behavior": Field(required=name != "header"), what: _only_items(Field(shape=Counted(TEXT)))}
    return Field(shape=Block(inner), required=True)


class CachePolicy(Configured):
    """How long the CDN keeps an answer, and what tells two requests apart."""

    token = "aws:cloudfront/cachePolicy:CachePolicy"
    noun = "cache policy"
    gone = frozenset({"NoSuchCachePolicy"})
    thing, call = "CachePolicy", "cache_policy"
    auto_name = AutoName("name", limit=128)
    _key = Block(
        {
            "cookiesConfig": _chosen("cookie", "cookies"),
            "headersConfig": _chosen("header", "headers"),
            "queryStringsConfig": _chosen("queryString", "queryStrings"),
            "enableAcceptEncodingBrotli": Field(shape=FLAG),
            "enableAcceptEncodingGzip": Field(shape=FLAG),
        }
    )
    properties: ClassVar = {
        "comment": Field(),
        "defaultTtl": Field(shape=NUMBER, default=86400, aws="DefaultTTL"),
        "maxTtl": Field(shape=NUMBER, default=31536000, aws="MaxTTL"),
        "minTtl": Field(shape=NUMBER, default=0, aws="MinTTL"),
        "name": _NAME,
        "parametersInCacheKeyAndForwardedToOrigin": Field(shape=_key, required=True),
    }
    outputs: ClassVar = {"arn": TEXT, "etag": TEXT}

    def pack(self, inputs: Values) -> Values:
        document = super().pack(inputs)
        document["ParametersInCacheKeyAndForwardedToOrigin"].setdefault("EnableAcceptEncodingGzip", False)
        return document


_OVERRIDE = Field(shape=FLAG, required=True)
_REQUIRED = Field(required=True)


class ResponseHeadersPolicy(Configured):
    """Headers that the CDN adds to its answers."""

    token = "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy"
    noun = "response headers policy"
    gone = frozenset({"NoSuchResponseHeadersPolicy"})
    thing, call = "ResponseHeadersPolicy", "response_headers_policy"
    auto_name = AutoName("name", limit=128)
    _texts = _only_items(Field(shape=Counted(TEXT)))
    _needed_texts = Field(shape=_texts.shape, required=True)
    _cors = Block(
        {
            "accessControlAllowCredentials": _OVERRIDE,
            "accessControlAllowHeaders": _needed_texts,
            "accessControlAllowMethods": _needed_texts,
            "accessControlAllowOrigins": _needed_texts,
            "accessControlExposeHeaders": _texts,
            "accessControlMaxAgeSec": Field(shape=NUMBER),
            "originOverride": _OVERRIDE,
        }
    )
    _custom = Block({"header": _REQUIRED, "value": _REQUIRED, "override": _OVERRIDE})
    _security = Block(
        {
            "contentSecurityPolicy": Field(
                shape=Block({"contentSecurityPolicy": _REQUIRED, "override": _OVERRIDE}),
            ),
            "contentTypeOptions": Field(shape=Block({"override": _OVERRIDE})),
            "frameOptions": Field(
                shape=Block(
                    {"frameOption": Field(shape=choice("DENY", "SAMEORIGIN"), required=True), "override": _OVERRIDE}
                )
            ),
            "referrerPolicy": Field(shape=Block({"referrerPolicy": _REQUIRED, "override": _OVERRIDE})),
            "strictTransportSecurity": Field(
                shape=Block(
                    {
                        "accessControlMaxAgeSec": Field(shape=NUMBER, required=True),
                        "includeSubdomains": Field(shape=FLAG),
                        "override": _OVERRIDE,
                        "preload": Field(shape=FLAG),
                    }
                )
            ),
            "xssProtection": Field(
                shape=Block(
                    {
                        "modeBlock": Field(shape=FLAG),
                        "override": _OVERRIDE,
                        "protection": Field(shape=FLAG, required=True),
                        "reportUri": Field(),
                    }
                ),
                aws="XSSProtection",
            ),
        }
    )
    properties: ClassVar = {
        "comment": Field(),
        "corsConfig": Field(shape=_cors),
        "customHeadersConfig": _only_items(Field(shape=Counted(_custom, key="header"))),
        "name": _NAME,
        "removeHeadersConfig": _only_items(Field(shape=Counted(Block({"header": _REQUIRED}), key="header"))),
        "securityHeadersConfig": Field(shape=_security),
    }
    outputs: ClassVar = {"arn": TEXT, "etag": TEXT}
    refused: ClassVar = {"serverTimingHeadersConfig": _UNUSED}


KINDS: tuple[type[AwsKind], ...] = (
    OriginAccessControl,
    PublicKey,
    KeyGroup,
    CachePolicy,
    ResponseHeadersPolicy,
    Distribution,
)

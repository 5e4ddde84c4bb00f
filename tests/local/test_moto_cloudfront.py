"""The CDN's parts against the real server.

What the service does is in the Amazon CloudFront API reference, under the name of each call: "CreateDistribution",
"DeleteDistribution", "UpdateKeyGroup", "DeleteKeyGroup", "UpdatePublicKey", "DeletePublicKey", "CreateCachePolicy",
"DeleteCachePolicy", "CreateResponseHeadersPolicy", "CreateInvalidation"; for logs "Enabling Amazon S3 server access
logging" of the S3 guide.
"""

import uuid
from typing import Any

import pytest

from tests.local.conftest import ACCOUNT, Bucket, MotoServer, code
from tests.standins.awscases import pem

CACHE = {
    "MinTTL": 60,
    "ParametersInCacheKeyAndForwardedToOrigin": {
        "EnableAcceptEncodingGzip": False,
        "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": {"Quantity": 1, "Items": ["Origin"]}},
        "CookiesConfig": {"CookieBehavior": "none"},
        "QueryStringsConfig": {"QueryStringBehavior": "none"},
    },
}


def name() -> str:
    return uuid.uuid4().hex[:12]


@pytest.fixture(scope="module")
def cdn(moto_server: MotoServer) -> Any:
    return moto_server.client("cloudfront")


def key(cdn: Any) -> str:
    config = {"CallerReference": name(), "Name": name(), "EncodedKey": pem(), "Comment": "signs"}
    return str(cdn.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"])


def group(cdn: Any, *keys: str) -> str:
    made = cdn.create_key_group(KeyGroupConfig={"Name": name(), "Items": list(keys), "Comment": "ours"})
    return str(made["KeyGroup"]["Id"])


def cache_policy(cdn: Any, called: str = "") -> str:
    made = cdn.create_cache_policy(CachePolicyConfig={"Name": called or name(), **CACHE})
    return str(made["CachePolicy"]["Id"])


def distribution(cdn: Any, *, policy: str = "x", groups: tuple[str, ...] = (), enabled: bool = False) -> dict[str, Any]:
    origin = {
        "Id": "o",
        "DomainName": "b.s3.us-east-1.amazonaws.com",
        "OriginAccessControlId": "E123",
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    behavior = {"TargetOriginId": "o", "ViewerProtocolPolicy": "https-only", "CachePolicyId": policy}
    if groups:
        behavior["TrustedKeyGroups"] = {"Enabled": True, "Quantity": len(groups), "Items": list(groups)}
    made: dict[str, Any] = cdn.create_distribution(
        DistributionConfig={
            "CallerReference": name(),
            "Comment": "",
            "Enabled": enabled,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": behavior,
        }
    )
    return made


def test_an_origin_keeps_its_access_control(cdn: Any) -> None:
    made = distribution(cdn)["Distribution"]
    (origin,) = cdn.get_distribution_config(Id=made["Id"])["DistributionConfig"]["Origins"]["Items"]
    assert origin["OriginAccessControlId"] == "E123"


def test_a_distribution_is_deleted_only_when_it_is_switched_off(cdn: Any) -> None:
    made = distribution(cdn, enabled=True)
    id, etag = made["Distribution"]["Id"], made["ETag"]
    assert code(cdn.delete_distribution, Id=id, IfMatch=etag) == "DistributionNotDisabled"
    config = cdn.get_distribution_config(Id=id)["DistributionConfig"]
    cdn.update_distribution(Id=id, IfMatch=etag, DistributionConfig={**config, "Enabled": False})
    assert code(cdn.delete_distribution, Id=id, IfMatch=etag) == "ok"
    assert code(cdn.get_distribution, Id=id) == "NoSuchDistribution"


def test_a_key_group_is_changed_and_deleted(cdn: Any) -> None:
    first, second = key(cdn), key(cdn)
    id = group(cdn, first)
    found = cdn.get_key_group(Id=id)
    assert found["KeyGroup"]["KeyGroupConfig"]["Comment"] == "ours"
    config = {**found["KeyGroup"]["KeyGroupConfig"], "Items": [first, second]}
    cdn.update_key_group(Id=id, IfMatch=found["ETag"], KeyGroupConfig=config)
    assert cdn.get_key_group(Id=id)["KeyGroup"]["KeyGroupConfig"]["Items"] == [first, second]
    assert code(cdn.delete_key_group, Id=id, IfMatch=found["ETag"]) == "ok"
    assert code(cdn.get_key_group, Id=id) == "NoSuchResource"


def test_a_key_group_that_a_distribution_trusts_stays(cdn: Any) -> None:
    id = group(cdn, key(cdn))
    distribution(cdn, groups=(id,))
    assert code(cdn.delete_key_group, Id=id, IfMatch="x") == "ResourceInUse"


def test_a_public_key_keeps_its_comment_and_its_value(cdn: Any) -> None:
    id = key(cdn)
    found = cdn.get_public_key(Id=id)
    config = found["PublicKey"]["PublicKeyConfig"]
    assert config["Comment"] == "signs"
    cdn.update_public_key(Id=id, IfMatch=found["ETag"], PublicKeyConfig={**config, "Comment": "signed"})
    assert cdn.get_public_key(Id=id)["PublicKey"]["PublicKeyConfig"]["Comment"] == "signed"
    other = {**config, "EncodedKey": pem()}
    refused = code(cdn.update_public_key, Id=id, IfMatch=found["ETag"], PublicKeyConfig=other)
    assert refused == "CannotChangeImmutablePublicKeyFields"


def test_a_public_key_in_a_group_stays(cdn: Any) -> None:
    id = key(cdn)
    user = group(cdn, id)
    assert code(cdn.delete_public_key, Id=id, IfMatch="x") == "PublicKeyInUse"
    cdn.delete_key_group(Id=user, IfMatch="x")
    assert code(cdn.delete_public_key, Id=id, IfMatch="x") == "ok"
    assert code(cdn.get_public_key, Id=id) == "NoSuchPublicKey"


def test_a_cache_policy_is_kept_changed_and_deleted(cdn: Any) -> None:
    id = cache_policy(cdn)
    found = cdn.get_cache_policy(Id=id)
    config = found["CachePolicy"]["CachePolicyConfig"]
    assert config.items() >= CACHE.items()
    cdn.update_cache_policy(Id=id, IfMatch=found["ETag"], CachePolicyConfig={**config, "MinTTL": 5})
    changed = cdn.get_cache_policy(Id=id)
    assert changed["CachePolicy"]["CachePolicyConfig"]["MinTTL"] == 5
    assert changed["ETag"] != found["ETag"]
    assert code(cdn.delete_cache_policy, Id=id, IfMatch=changed["ETag"]) == "ok"
    assert code(cdn.get_cache_policy, Id=id) == "NoSuchCachePolicy"


def test_the_name_of_a_policy_is_given_once(cdn: Any) -> None:
    called = name()
    cache_policy(cdn, called)
    again = {"Name": called, **CACHE}
    assert code(cdn.create_cache_policy, CachePolicyConfig=again) == "CachePolicyAlreadyExists"


def test_a_policy_that_a_distribution_has_stays(cdn: Any) -> None:
    id = cache_policy(cdn)
    distribution(cdn, policy=id)
    assert code(cdn.delete_cache_policy, Id=id, IfMatch="x") == "CachePolicyInUse"


def test_a_response_headers_policy_is_kept_changed_and_deleted(cdn: Any) -> None:
    header = {"Header": "X-One", "Value": "1", "Override": True}
    config = {"Name": name(), "CustomHeadersConfig": {"Quantity": 1, "Items": [header]}}
    made = cdn.create_response_headers_policy(ResponseHeadersPolicyConfig=config)
    id = made["ResponseHeadersPolicy"]["Id"]
    assert cdn.get_response_headers_policy(Id=id)["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"] == config
    fewer = {"Name": config["Name"], "CustomHeadersConfig": {"Quantity": 0}}
    cdn.update_response_headers_policy(Id=id, IfMatch=made["ETag"], ResponseHeadersPolicyConfig=fewer)
    found = cdn.get_response_headers_policy(Id=id)["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]
    assert found["CustomHeadersConfig"] == {"Quantity": 0}
    assert code(cdn.delete_response_headers_policy, Id=id, IfMatch="x") == "ok"
    assert code(cdn.get_response_headers_policy, Id=id) == "NoSuchResponseHeadersPolicy"


# Invalidations.


def invalidate(cdn: Any, distribution_id: str, *paths: str) -> str:
    batch = {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": name()}
    return code(cdn.create_invalidation, DistributionId=distribution_id, InvalidationBatch=batch)


def test_no_more_is_invalidated_at_a_time_than_the_service_takes(cdn: Any) -> None:
    id = distribution(cdn)["Distribution"]["Id"]
    wild = [f"/audio/{number}/*" for number in range(16)]
    files = [f"/audio/{number}" for number in range(3001)]
    for many in (wild, files):
        assert invalidate(cdn, id, *many) == "TooManyInvalidationsInProgress"
    assert invalidate(cdn, id, *wild[:14], *files[:2000]) == "ok"
    assert invalidate(cdn, id, *wild[14:]) == "TooManyInvalidationsInProgress", "those under way count"
    assert invalidate(cdn, id, wild[14]) == "ok", "a path with a wildcard is no file"
    assert invalidate(cdn, id, *files[:1001]) == "TooManyInvalidationsInProgress"
    assert invalidate(cdn, distribution(cdn)["Distribution"]["Id"], *wild[:15]) == "ok", "by distribution"


def test_an_invalidation_ends_after_a_while(cdn: Any) -> None:
    id = distribution(cdn)["Distribution"]["Id"]
    assert invalidate(cdn, id, *(f"/audio/{number}/*" for number in range(15))) == "ok"
    (begun,) = cdn.list_invalidations(DistributionId=id)["InvalidationList"]["Items"]
    assert begun["Status"] == "InProgress"
    waiter = cdn.get_waiter("invalidation_completed")
    waiter.wait(DistributionId=id, Id=begun["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    assert invalidate(cdn, id, "/audio/again/*") == "ok"


# Access logs.


def logging(bucket: Bucket, logs: Bucket) -> str:
    status = {"LoggingEnabled": {"TargetBucket": logs.name, "TargetPrefix": "s3/"}}
    return code(bucket.s3.put_bucket_logging, Bucket=bucket.name, BucketLoggingStatus=status)


@pytest.fixture
def logs(moto_server: MotoServer) -> Bucket:
    return Bucket(moto_server)


def test_logs_go_where_the_targets_policy_lets_the_service_write_for_this_source(bucket: Bucket, logs: Bucket) -> None:
    assert logging(bucket, logs) == "InvalidTargetBucketForLogging"
    service = {
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{logs.arns[0]}/s3/*",
    }
    tls = {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    foreign = {"StringEquals": {"aws:SourceAccount": "999999999999"}}
    logs.policy(tls, {**service, "Condition": foreign})
    assert logging(bucket, logs) == "InvalidTargetBucketForLogging"
    elsewhere = {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::another"}}
    logs.policy(tls, {**service, "Condition": elsewhere})
    assert logging(bucket, logs) == "InvalidTargetBucketForLogging"
    ours = {"ArnEquals": {"aws:SourceArn": bucket.arns[0]}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}
    logs.policy(tls, {**service, "Condition": ours})
    assert logging(bucket, logs) == "ok"


def test_no_log_is_written_here(bucket: Bucket, logs: Bucket) -> None:
    logs.policy({"Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject"})
    assert logging(bucket, logs) == "ok"
    bucket.s3.list_objects_v2(Bucket=bucket.name)
    assert logs.s3.list_objects_v2(Bucket=logs.name)["KeyCount"] == 1, "only the file that the fixture put there"

"""What moto's CloudFront lacks or forgets.

As in the Amazon CloudFront API reference: an origin keeps its OriginAccessControlId ("Origin"); key groups and public
keys can be updated and deleted, their comments are kept, a public key in a key group can't be deleted
("UpdateKeyGroup", "DeleteKeyGroup", "DeletePublicKey"); there are cache policies and response headers policies, whose
names are unique ("CreateCachePolicy", "CreateResponseHeadersPolicy") and which can't be deleted while in use
("DeleteCachePolicy"); an enabled distribution can't be deleted ("DeleteDistribution"). An invalidation takes a while,
and of a distribution no more than 3,000 files and 15 paths with a wildcard are in progress at a time
("CreateInvalidation"; "Concurrent invalidation request maximum" of the developer guide).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from moto.cloudfront import models, responses, urls
from moto.cloudfront.exceptions import CloudFrontException
from moto.cloudfront.models import CloudFrontBackend, Invalidation, KeyGroup, Origin, PublicKey, random_id
from moto.cloudfront.responses import CloudFrontResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow

KEPT = "local_policies"
API = "{0}/2020-05-31/"
# The service takes up to some minutes.
INVALIDATING = timedelta(seconds=3)
FILES, WILDCARDS = 3000, 15


@dataclass
class Policy:  # so called in the state files that there are
    """A cache policy or a response headers policy: its document as it was sent."""

    config: dict[str, Any]
    id: str = field(default_factory=random_id)
    etag: str = field(default_factory=random_id)
    changed: Any = field(default_factory=utcnow)

    def replace(self, config: dict[str, Any]) -> None:
        self.config, self.etag, self.changed = config, random_id(), utcnow()


def _policies(response: CloudFrontResponse, thing: str) -> dict[str, Policy]:
    # On the backend, so that it is saved, restored and reset with it.
    kept: dict[str, dict[str, Policy]] = response.backend.__dict__.setdefault(KEPT, {})
    return kept.setdefault(thing, {})


def _behaviors(backend: CloudFrontBackend) -> Iterator[Any]:
    for distribution in backend.distributions.values():
        yield distribution.DefaultCacheBehavior
        yield from distribution.CacheBehaviors.get("Items") or []


class _Operations:
    """The operations of one kind of policy."""

    def __init__(self, thing: str, used_as: str) -> None:
        self.thing = thing
        self.used_as = used_as

    def _find(self, response: CloudFrontResponse) -> Policy:
        found = _policies(response, self.thing).get(response._get_param("Id"))
        if found is None:
            raise CloudFrontException(f"NoSuch{self.thing}", f"The {self.thing} does not exist.")
        return found

    def _config(self, response: CloudFrontResponse, own: str = "") -> dict[str, Any]:
        config: dict[str, Any] = response._get_param(f"{self.thing}Config")
        for id, other in _policies(response, self.thing).items():
            if other.config["Name"] == config["Name"] and id != own:
                raise CloudFrontException(f"{self.thing}AlreadyExists", f"A {self.thing} with this name exists: {id}")
        return config

    def _answer(self, policy: Policy) -> ActionResult:
        shown = {"Id": policy.id, "LastModifiedTime": policy.changed, f"{self.thing}Config": policy.config}
        return ActionResult({self.thing: shown, "ETag": policy.etag})

    def create(self, response: CloudFrontResponse) -> ActionResult:
        policy = Policy(self._config(response))
        _policies(response, self.thing)[policy.id] = policy
        return self._answer(policy)

    def get(self, response: CloudFrontResponse) -> ActionResult:
        return self._answer(self._find(response))

    def update(self, response: CloudFrontResponse) -> ActionResult:
        policy = self._find(response)
        policy.replace(self._config(response, policy.id))
        return self._answer(policy)

    def delete(self, response: CloudFrontResponse) -> ActionResult:
        policy = self._find(response)
        if any(getattr(behavior, self.used_as) == policy.id for behavior in _behaviors(response.backend)):
            raise CloudFrontException(f"{self.thing}InUse", f"A distribution uses the {self.thing}.")
        del _policies(response, self.thing)[policy.id]
        return EmptyResult()


def _install_policies(thing: str, call: str, used_as: str) -> None:
    operations = _Operations(thing, used_as)
    for verb in ("create", "get", "update", "delete"):
        setattr(CloudFrontResponse, f"{verb}_{call}", _method(getattr(operations, verb)))
    path = call.replace("_", "-")
    urls.url_paths[f"{API}{path}$"] = CloudFrontResponse.dispatch
    urls.url_paths[f"{API}{path}/(?P<policy_id>[^/]+)$"] = CloudFrontResponse.dispatch


def _method(operation: Callable[[CloudFrontResponse], ActionResult]) -> Callable[[CloudFrontResponse], ActionResult]:
    return lambda self: operation(self)


def _kept_access_control(original: Callable[..., None]) -> Callable[..., None]:
    def made(self: Origin, origin: dict[str, Any]) -> None:
        original(self, origin)
        self.origin_access_control_id = origin.get("OriginAccessControlId") or ""

    return made


# Keys and their groups.


def _find_key(backend: CloudFrontBackend, key_id: str) -> PublicKey:
    if key_id not in backend.public_keys:
        raise CloudFrontException("NoSuchPublicKey", "The specified public key doesn't exist.")
    return backend.public_keys[key_id]


def _find_group(backend: CloudFrontBackend, group_id: str) -> KeyGroup:
    if group_id not in backend.key_groups:
        raise CloudFrontException("NoSuchResource", "The resource was not found.")
    return backend.key_groups[group_id]


def _commented(original: Callable[..., Any], config: str, thing: str) -> Callable[..., Any]:
    def create(self: CloudFrontResponse) -> ActionResult:
        answer = original(self)
        answer.result[thing].comment = self._get_param(f"{config}.Comment") or ""
        return answer

    return create


def _named_once(original: Callable[..., ActionResult], thing: str, there: str) -> Callable[..., ActionResult]:
    """A name is taken once ("CreateOriginAccessControl", "CreatePublicKey", "CreateKeyGroup", Errors)."""

    def create(self: CloudFrontResponse) -> ActionResult:
        name = self._get_param(f"{thing}Config.Name")
        if any(each.name == name for each in getattr(self.backend, there).values()):
            raise CloudFrontException(f"{thing}AlreadyExists", f"A {thing} with the name {name} exists already.")
        return original(self)

    return create


def _update_public_key(self: CloudFrontResponse) -> ActionResult:
    key = _find_key(self.backend, self._get_param("Id"))
    config = self._get_param("PublicKeyConfig")
    fixed = (config["CallerReference"], config["Name"], config["EncodedKey"].strip())
    if fixed != (key.caller_ref, key.name, key.encoded_key.strip()):
        message = "You can't change the value of a public key."
        raise CloudFrontException("CannotChangeImmutablePublicKeyFields", message)
    key.comment = config.get("Comment") or ""
    return ActionResult({"PublicKey": key, "ETag": key.etag})


def _delete_public_key(self: CloudFrontResponse) -> ActionResult:
    key = _find_key(self.backend, self._get_param("Id"))
    if any(key.id in group.items for group in self.backend.key_groups.values()):
        raise CloudFrontException("PublicKeyInUse", "The specified public key is in use.")
    del self.backend.public_keys[key.id]
    return EmptyResult()


def _update_key_group(self: CloudFrontResponse) -> ActionResult:
    group = _find_group(self.backend, self._get_param("Id"))
    config = self._get_param("KeyGroupConfig")
    group.name, group.items, group.comment = config["Name"], config["Items"], config.get("Comment") or ""
    return ActionResult({"KeyGroup": group, "ETag": group.etag})


def _delete_key_group(self: CloudFrontResponse) -> ActionResult:
    group = _find_group(self.backend, self._get_param("Id"))
    if any(group.id in behavior.trusted_key_groups.items for behavior in _behaviors(self.backend)):
        raise CloudFrontException("ResourceInUse", "Cannot delete this resource because it is in use.")
    del self.backend.key_groups[group.id]
    return EmptyResult()


def _group_config(group: KeyGroup) -> dict[str, Any]:
    return {"Items": group.items, "Name": group.name, "Comment": getattr(group, "comment", "")}


def _delete_distribution(original: Callable[..., None]) -> Callable[..., None]:
    def delete(self: CloudFrontBackend, distribution_id: str, if_match: bool) -> None:
        found = self.distributions.get(distribution_id)
        if found is not None and found.Enabled:
            message = "The specified distribution has not been disabled."
            raise CloudFrontException("DistributionNotDisabled", message)
        original(self, distribution_id, if_match)

    return delete


def _is_in_progress(invalidation: Invalidation) -> bool:
    return bool(utcnow() - invalidation.create_time < INVALIDATING)


def _status(invalidation: Invalidation) -> str:
    return "InProgress" if _is_in_progress(invalidation) else "Completed"


def _create_invalidation(original: Callable[..., Invalidation]) -> Callable[..., Invalidation]:
    def create(self: CloudFrontBackend, dist_id: str, paths: list[str], caller_ref: str) -> Invalidation:
        there = self.invalidations.get(dist_id, ())
        all_paths = [*paths, *(path for each in there if _is_in_progress(each) for path in each.paths)]
        wildcards = sum(path.endswith("*") for path in all_paths)
        if wildcards > WILDCARDS or len(all_paths) - wildcards > FILES:
            message = "Your request contains more invalidations than are allowed to be in progress."
            raise CloudFrontException("TooManyInvalidationsInProgress", message)
        return original(self, dist_id, paths, caller_ref)

    return create


def install() -> None:
    """Puts all of it into moto's classes; once per process, before the server is made."""
    _install_policies("CachePolicy", "cache_policy", "cache_policy_id")
    _install_policies("ResponseHeadersPolicy", "response_headers_policy", "response_headers_policy_id")
    Origin.__init__ = _kept_access_control(Origin.__init__)
    response = responses.CloudFrontResponse
    response.create_public_key = _commented(response.create_public_key, "PublicKeyConfig", "PublicKey")
    response.create_key_group = _commented(response.create_key_group, "KeyGroupConfig", "KeyGroup")
    for thing, call in (
        ("OriginAccessControl", "origin_access_control"),
        ("PublicKey", "public_key"),
        ("KeyGroup", "key_group"),
    ):
        made = getattr(response, f"create_{call}")
        setattr(response, f"create_{call}", _named_once(made, thing, f"{call}s"))
    response.update_public_key = _update_public_key
    response.delete_public_key = _delete_public_key
    response.update_key_group = _update_key_group
    response.delete_key_group = _delete_key_group
    urls.url_paths[f"{API}public-key/(?P<key_name>[^/]+)/config$"] = CloudFrontResponse.dispatch
    models.KeyGroup.key_group_config = property(_group_config)
    models.CloudFrontBackend.get_public_key = _find_key
    models.CloudFrontBackend.get_key_group = _find_group
    models.CloudFrontBackend.delete_distribution = _delete_distribution(CloudFrontBackend.delete_distribution)
    models.CloudFrontBackend.create_invalidation = _create_invalidation(CloudFrontBackend.create_invalidation)
    # moto writes it once, and of state files too it is what the time says.
    models.Invalidation.status = property(_status, lambda invalidation, status: None)

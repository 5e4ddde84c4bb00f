"""The gate in front of moto's S3: every request is identified, authorised and checked before moto sees it.

Two rules are this server's own:

* Plain http on the loopback counts as TLS, as if a proxy in front had ended it, unless the request says
  `X-Forwarded-Proto: http`. Otherwise a policy that denies aws:SecureTransport=false would lock everybody out.
* A request signed by the account's owner with the header `X-Local-Service: cloudfront.amazonaws.com` counts as made by
  that service, with `X-Local-Source-Arn` as aws:SourceArn. No other way leads into policies for services.
"""

import ipaddress
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.models import iam_backends
from moto.s3 import responses
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response
from requests.structures import CaseInsensitiveDict

from local.moto import access, actions, keys, policy, postform, public
from local.moto.errors import Refused
from local.moto.identity import Credentials, Identities
from local.moto.policy import ANONYMOUS, Principal, Request, Verdict
from local.moto.sigv4 import Wire

TAG = "{*}TagSet/{*}Tag"
Headers = Mapping[str, str]
_serving = threading.local()
# What isn't to replace anything is looked for and made in one step.
_once = threading.Lock()


@dataclass
class Call:
    """One S3 request, as the checks see it."""

    response: Any
    request: Any
    form: dict[str, str]
    headers: Headers
    principal: Principal = ANONYMOUS
    arguments: dict[str, str] = field(default_factory=dict)

    @property
    def bucket(self) -> Any:
        try:
            return self.response.backend.get_bucket(self.response.bucket_name)
        except S3ClientError:
            return None

    def key(self, bucket: Any, name: str) -> Any:
        if not name:
            return None
        found = self.response.backend.get_object(bucket.name, name, version_id=self.arguments.get("versionId"))
        return found if hasattr(found, "acl") else None

    def may(self, bucket: Any, action: str, name: str = "") -> bool:
        key = self.key(bucket, name)
        resource = f"{bucket.arn}/{name}" if name else bucket.arn
        request = Request(f"s3:{action}", resource, self.principal, self._context(key))
        return access.allowed(bucket, key, request) and self._has_right(request)

    def use(self, name: str, action: str) -> None:
        """Use a KMS key as an action does; nothing where there is none, or moto doesn't know it.

        :raises Refused: for one that can't be used, or not by this principal
        """
        key = keys.find(name, self.response.current_account) if name else None
        if key is None:
            return
        keys.check_state(key)
        context = {**self._global_context(), "kms:viaservice": f"s3.{key.region}.amazonaws.com"}
        asked = Request(f"kms:{action}", key.arn, self.principal, context)
        if not (keys.lets(key, asked) and self._has_right(asked)):
            raise Refused("AccessDenied", f"{self.principal.arn} is not authorized to perform: kms:{action}")

    def _has_right(self, request: Request) -> bool:
        """What the policies of a role say, conditions too, where moto is told to ask them; of users moto asks alone."""
        if not self.principal.role or ActionAuthenticatorMixin.request_count < settings.INITIAL_NO_AUTH_ACTION_COUNT:
            return True
        backend = iam_backends[self.principal.account]["aws"]
        name = self.principal.role.rsplit("/", 1)[1]
        inline = [backend.get_role_policy(name, each)[1] for each in backend.list_role_policies(name)]
        attached, _ = backend.list_attached_role_policies(name)
        documents = [IAMPolicy(each)._policy_json for each in (*inline, *attached)]
        verdicts = {policy.evaluate(document, request) for document in documents}
        return Verdict.ALLOW in verdicts and Verdict.DENY not in verdicts

    def _context(self, key: Any) -> dict[str, str]:
        sent = {name.lower(): value for name, value in {**self.headers, **self.form}.items()}
        context = {f"s3:{name}": value for name, value in sent.items() if name.startswith("x-amz-")}
        for name in ("prefix", "delimiter", "versionId"):
            if name in self.arguments:
                context[f"s3:{name.lower()}"] = self.arguments[name]
        context |= {f"s3:requestobjecttag/{tag}": value for tag, value in self._sent_tags(sent).items()}
        if key is not None:
            tags = self.response.backend.tagger.get_tag_dict_for_resource(key.arn)
            context |= {f"s3:existingobjecttag/{tag}": value for tag, value in tags.items()}
        return context | self._global_context()

    def _sent_tags(self, sent: Mapping[str, str]) -> dict[str, str]:
        """The tags that the request itself names; those that a copy takes along aren't among them."""
        if self.request.method == "PUT" and "tagging" in self.arguments:
            found = ElementTree.fromstring(self.response.body or b"<Tagging/>").iterfind(TAG)
            return {tag.findtext("{*}Key", ""): tag.findtext("{*}Value", "") for tag in found}
        return dict(parse_qsl(sent.get("x-amz-tagging", ""), keep_blank_values=True))

    @property
    def copied(self) -> tuple[str, str, str] | None:
        """Bucket, key and version that the request copies from; no version is the newest."""
        source = self.headers.get("x-amz-copy-source", "") if self.request.method == "PUT" else ""
        if not source:
            return None
        path, _, query = unquote(source).partition("?")
        bucket, _, name = path.lstrip("/").partition("/")
        return bucket, name, dict(parse_qsl(query)).get("versionId", "")

    def _global_context(self) -> dict[str, str]:
        context = {
            "aws:securetransport": str(_secure(self.request)).lower(),
            "aws:sourceip": self.request.remote_addr or "127.0.0.1",
            "aws:principalisawsservice": str(bool(self.principal.service)).lower(),
            "aws:useragent": self.headers.get("User-Agent", ""),
        }
        if "Referer" in self.headers:
            context["aws:referer"] = self.headers["Referer"]
        if self.principal.account:
            # A session's aws:PrincipalArn is that of its role.
            context["aws:principalarn"] = self.principal.role or self.principal.arn
            context["aws:principalaccount"] = self.principal.account
        source = self.headers.get("X-Local-Source-Arn", "")
        if self.principal.service and source:
            context["aws:sourcearn"] = source
            context["aws:sourceaccount"] = source.split(":")[4] if source.count(":") > 4 else ""
        return context


def _secure(request: Any) -> bool:
    forwarded = request.headers.get("X-Forwarded-Proto", "")
    if forwarded:
        return bool(forwarded == "https")
    return request.scheme == "https" or ipaddress.ip_address(request.remote_addr or "127.0.0.1").is_loopback


def _admit(identities: Identities, call: Call, name: str) -> None:
    response, request = call.response, call.request
    wire = Wire(request.method, request.raw_path, request.query_string.decode(), call.headers)
    call.principal = identities.of(wire, call.arguments, call.form, response.current_account)
    if call.principal.is_root and "X-Local-Service" in call.headers:
        call.principal = Principal(service=call.headers["X-Local-Service"])
    _serving.call, _serving.post = call, {}
    bucket = call.bucket
    # Browsers send preflights without credentials.
    if request.method == "OPTIONS":
        return
    if bucket is None:
        # A missing bucket is 404 to strangers too, as on AWS; making one, or listing them all, needs a right.
        missing = response.bucket_name and request.method != "PUT"
        if call.principal == ANONYMOUS and not missing:
            raise Refused("AccessDenied", "Access Denied")
        return
    # The account that answers to the name ("Verifying bucket ownership with bucket owner condition").
    if call.headers.get("x-amz-expected-bucket-owner", bucket.account_id) != bucket.account_id:
        raise Refused("AccessDenied", "Access Denied")
    _authorise(call, bucket, name)
    _check_settings(call, bucket)
    _check_condition(call, bucket, name)
    if "policy" in call.form:
        postform.check(call.form, len(response.body or b""))
    _serving.post = _kept_fields(call.form)


def _authorise(call: Call, bucket: Any, name: str) -> None:
    method, arguments = call.request.method, call.arguments
    if not name and "delete" in arguments:
        # Deleting many is authorised key by key; see _permission.
        return
    action = (actions.on_object if name else actions.on_bucket)(method, arguments)
    if not call.may(bucket, action, name or call.form.get("key", "")):
        raise Refused("AccessDenied", "Access Denied")
    if name and method in ("GET", "HEAD") and call.key(bucket, name) is None and not call.may(bucket, "ListBucket"):
        # Who may not list doesn't learn whether an object exists ("GetObject", section Permissions).
        raise Refused("AccessDenied", "Access Denied")
    if name and "x-amz-tagging" in call.headers and not call.may(bucket, "PutObjectTagging", name):
        raise Refused("AccessDenied", "Access Denied")
    _authorise_key(call, bucket, name)
    if call.copied:
        _authorise_copy(call, bucket, name, *call.copied)


def _authorise_key(call: Call, bucket: Any, name: str) -> None:
    """The KMS key of what is read, and the key of what is written."""
    name = name or call.form.get("key", "")
    if not name:
        return
    sent = {header.lower(): value for header, value in {**call.headers, **call.form}.items()}
    for action in keys.actions(call.request.method, call.arguments):
        reads = action == keys.READ and "uploadId" not in call.arguments and "uploads" not in call.arguments
        call.use(keys.of_object(call.key(bucket, name)) if reads else keys.of_upload(bucket, sent), action)


def _authorise_copy(call: Call, bucket: Any, name: str, source: str, key: str, version: str) -> None:
    """The source is read; its tags are read and set too where they are taken along ("CopyObject", Permissions)."""
    backend = call.response.backend
    try:
        origin = backend.get_bucket(source)
    except S3ClientError:
        return
    stored = backend.get_object(source, key, version_id=version or None)
    tagged = stored is not None and bool(backend.tagger.get_tag_dict_for_resource(stored.arn))
    kind = "Version" if version else ""
    call.use(keys.of_object(stored), keys.READ)
    needs = [(origin, f"GetObject{kind}", key)]
    if tagged and call.headers.get("x-amz-tagging-directive", "COPY") == "COPY" and "partNumber" not in call.arguments:
        needs += [(origin, f"GetObject{kind}Tagging", key), (bucket, "PutObjectTagging", name)]
    if not all(call.may(*need) for need in needs):
        raise Refused("AccessDenied", "Access Denied")


def _check_settings(call: Call, bucket: Any) -> None:
    method, body = call.request.method, call.response.body or b""
    if method == "PUT" and "policy" in call.arguments:
        access.check_policy(bucket, policy.parse(body, bucket.name))
    setting_acl = method == "PUT" and "acl" in call.arguments
    if method in ("PUT", "POST"):
        headers = {"x-amz-acl": call.form["acl"]} if "acl" in call.form else call.headers
        access.check_acl(bucket, headers, body if setting_acl else b"")


def _check_condition(call: Call, bucket: Any, name: str) -> None:
    """What isn't to replace anything; moto knows it of uploads in one request alone ("Conditional writes")."""
    copies = call.copied is not None and "partNumber" not in call.arguments
    completes = call.request.method == "POST" and "uploadId" in call.arguments
    once = call.headers.get("If-None-Match", "") == "*"
    if once and (copies or completes) and call.response.backend.get_object(bucket.name, name) is not None:
        raise Refused("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")


def _kept_fields(form: Mapping[str, str]) -> dict[str, str]:
    names = {
        "encryption": "x-amz-server-side-encryption",
        "kms_key_id": "x-amz-server-side-encryption-aws-kms-key-id",
        "storage": "x-amz-storage-class",
    }
    return {argument: form[name] for argument, name in names.items() if name in form}


def _permission(bucket: Any, action: str, resource: str) -> Any:
    call = getattr(_serving, "call", None)
    # moto asks with actions of its own making (s3:HeadObject); the gate has already decided.
    if call is None or action != "s3:DeleteObject" or "delete" not in call.arguments:
        return PermissionResult.PERMITTED
    name = resource.removeprefix(f"{bucket.arn}/")
    return PermissionResult.PERMITTED if call.may(bucket, "DeleteObject", name) else PermissionResult.DENIED


def _gated(identities: Identities, original: Callable[..., Any], name_of: Callable[[Any], str]) -> Callable[..., Any]:
    def guarded(self: Any, request: Any, full_url: str) -> Any:
        call = _call(self, request)
        with _once if "If-None-Match" in call.headers else nullcontext():
            try:
                _admit(identities, call, name_of(self))
            except Refused as refusal:
                return _answer(self, request, refusal)
            return original(self, request, full_url)

    return guarded


def _call(response: Any, request: Any) -> Call:
    form: dict[str, str] = {}
    if request.method == "POST" and "delete" not in request.args and "key" in request.form:
        upload = request.files.get("file")
        form = postform.fields(request.form, response.bucket_name, (upload.filename or "") if upload else "")
    headers = CaseInsensitiveDict(request.headers.items())
    return Call(response, request, form, headers, arguments=dict(request.args))


def _answer(response: Any, request: Any, refusal: Refused) -> Any:
    # Any action with an XML answer: errors look the same for all.
    response.data["Action"] = "GetObject"
    _, headers, body = response.serialized(ActionResult(S3ClientError(refusal.code, refusal.message)))
    return refusal.status, headers, "" if request.method == "HEAD" else body


def _asked(original: Callable[..., Any]) -> Callable[..., Any]:
    def authorised(self: Any, *args: Any, **kwargs: Any) -> None:
        # moto asks for actions of its own making (s3:DeleteObjects), and knows no conditions.
        call = getattr(_serving, "call", None)
        if call is None or not call.principal.role:
            original(self, *args, **kwargs)

    return authorised


def _put_object(original: Callable[..., Any]) -> Callable[..., Any]:
    def put_object(self: Any, *args: Any, **kwargs: Any) -> Any:
        # moto passes nothing but the body of a form on.
        kept = getattr(_serving, "post", {}) if kwargs.get("request_method") == "POST" else {}
        return original(self, *args, **{**kwargs, **kept})

    return put_object


def _status_is_public(content: bytes) -> bool:
    return public.policy_is_public(json.loads(content))


def install(credentials: Credentials) -> None:
    """Puts the gate into moto's classes; once per process."""
    responses.bucket_policy_is_public = _status_is_public
    identities = Identities(credentials)
    S3Response._bucket_response = _gated(identities, S3Response._bucket_response, lambda response: "")
    S3Response._key_response = _gated(identities, S3Response._key_response, lambda response: response.parse_key_name())
    S3Response._authenticate_and_authorize_s3_action = _asked(S3Response._authenticate_and_authorize_s3_action)
    FakeBucket.get_permission = _permission
    S3Backend.put_object = _put_object(S3Backend.put_object)

"""The base of every resource type: check, diff, read and the rest, from a description of the properties.

A type declares its `fields` and writes four short methods that call boto3: `make`, `find`, `change` and `remove`.
They run in a thread, and may let a `ClientError` pass: it becomes one line that names the resource.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, TypeVar

from local.standins.aws.cloud import Cloud
from local.standins.aws.shapes import TEXT, Block, Field, MapOf, Shape
from plugin.server import CheckFailure, Context, Diff, DiffKind, Kind, PluginError, Resource, resource_name
from plugin.wire import UNKNOWN, has_unknown

REGION = Field(shape=TEXT, computed=True, immutable=True)
TAGS = Field(shape=MapOf(TEXT))
_RANDOM_DIGITS = 7

T = TypeVar("T")
Values = dict[str, Any]


@dataclass(frozen=True)
class AutoName:
    """How a name is chosen where the program gives neither it nor its prefix."""

    property: str
    prefix_property: str | None = None
    limit: int = 63
    lower: bool = False
    before: str = ""
    """What every name of the type begins with."""

    def stem(self, urn: str) -> str:
        name = self.before + resource_name(urn)
        return (name.lower() if self.lower else name)[: self.limit - _RANDOM_DIGITS - 1]

    def given(self, inputs: "Values") -> str:
        """The name that the program gave or that was chosen for it; from a prefix, a new one."""
        name = inputs.get(self.property)
        return str(name or unique(inputs[self.prefix_property or ""]))

    def choose(self, urn: str) -> str:
        return f"{self.stem(urn)}-{secrets.token_hex(_RANDOM_DIGITS)[:_RANDOM_DIGITS]}"

    def chose(self, urn: str, name: Any) -> bool:
        """Whether `name` was chosen here, and not by the program."""
        pattern = rf"{re.escape(self.stem(urn))}-[0-9a-f]{{{_RANDOM_DIGITS}}}"
        return isinstance(name, str) and re.fullmatch(pattern, name) is not None


_counter = count()


def unique(prefix: str) -> str:
    """A name from a prefix, in the official plugin's form: digits of the time, then a counter, 26 characters in all."""
    return f"{prefix}{time.strftime('%Y%m%d%H%M%S', time.gmtime())}{time.time_ns() // 100_000 % 10_000:04d}" + (
        f"{next(_counter):08x}"
    )


def tag_changes(found: Values, wanted: Values) -> tuple[Values, list[str]]:
    """The tags to set and the names of those to take away."""
    changed = {name: text for name, text in wanted.items() if found.get(name) != text}
    return changed, sorted(found.keys() - wanted.keys())


@dataclass(frozen=True)
class Site:
    """Where a resource lives: the client of its service in its region."""

    client: Any
    region: str


class AwsKind(Kind):
    """A resource type of AWS.

    Attributes:
        service: the name of the service in boto3.
        noun: what an error calls the resource.
        properties: the inputs, without `region` and `tags`.
        outputs: what AWS adds; `tagsAll` is added to types that are `tagged`.
        refused: inputs of the official plugin that this one hasn't, with what to use.
        withheld: outputs of the official plugin that this one doesn't give, beside the refused inputs.
        gone: error codes that mean that the resource isn't there.
    """

    service: ClassVar[str]
    noun: ClassVar[str]
    properties: ClassVar[Mapping[str, Field]]
    outputs: ClassVar[Mapping[str, Shape]] = {}
    refused: ClassVar[Mapping[str, str]] = {}
    withheld: ClassVar[frozenset[str]] = frozenset()
    gone: ClassVar[frozenset[str]] = frozenset()
    tagged: ClassVar[bool] = False
    regional: ClassVar[bool] = True
    auto_name: ClassVar[AutoName | None] = None

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        extra = {"region": REGION} if self.regional else {}
        self.inputs = Block({**self.properties, **extra, **({"tags": TAGS} if self.tagged else {})}, self.refused)

    def make(self, site: Site, inputs: Values) -> str:
        """Create it, and give its id."""
        raise NotImplementedError

    def find(self, site: Site, id: str) -> Values | None:
        """Its properties as AWS has them, `tagsAll` among them where it is tagged; None where it isn't there."""
        raise NotImplementedError

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        """Bring it from `state` to `new`."""
        raise NotImplementedError

    def remove(self, site: Site, id: str, state: Values) -> None:
        """Delete it; an error whose code is in `gone` is taken for success."""
        raise NotImplementedError

    def faults(self, inputs: Values) -> list[CheckFailure]:
        """What is wrong with the inputs beyond their shapes."""
        return []

    async def check(self, context: Context, old: Values, new: Values) -> tuple[Values, list[CheckFailure]]:
        inputs = self.inputs.prepare(new)
        failures = [CheckFailure(path, reason) for path, reason in self.inputs.faults(inputs, "")]
        for name, item in self.inputs.fields.items():
            if item.default is not None:
                inputs.setdefault(name, item.default)
        self._name(context.urn, old, inputs)
        return inputs, failures or self.faults(inputs)

    def _name(self, urn: str, old: Values, inputs: Values) -> None:
        auto = self.auto_name
        if auto is None or auto.property in inputs or auto.prefix_property in inputs:
            return
        before = old.get(auto.property)
        inputs[auto.property] = before if auto.chose(urn, before) else auto.choose(urn)

    async def diff(self, context: Context, id: str, state: Values, new: Values) -> Diff:
        wanted = {name: value for name, value in new.items() if name != "tags" or not self.tagged}
        known = {name: value for name, value in state.items() if name != "tags" or not self.tagged}
        # Without a region of its own the resource follows the provider, whose region may have changed.
        if self.regional and state.get("region"):
            wanted.setdefault("region", self.cloud.region)
        changes: dict[str, DiffKind] = dict(self.inputs.differences(known, wanted, ""))
        if self.tagged:
            changes |= self._tag_differences(state, new)
        result = Diff(changes)
        result.delete_before_replace = bool(result.replaces) and self._keeps_name(context.urn, state, new)
        return result

    def _keeps_name(self, urn: str, state: Values, new: Values) -> bool:
        # Two resources can't have one name at a time; one with a chosen name gets another when it is replaced.
        auto = self.auto_name
        name = new.get(auto.property) if auto else None
        return auto is not None and name == state.get(auto.property) and not auto.chose(urn, name)

    def _tag_differences(self, state: Values, new: Values) -> dict[str, DiffKind]:
        tags = new.get("tags") or {}
        if tags is UNKNOWN:
            return {"tags": "update"}
        declared = tags.keys() | (state.get("tags") or {}).keys()
        result: dict[str, DiffKind] = {}
        for path, change in MapOf(TEXT).differences(state.get("tagsAll"), self.all_tags(new), ""):
            owner = "tags" if path[2:-2] in declared else "tagsAll"
            result[f"{owner}{path}"] = change
        return result

    def all_tags(self, inputs: Values) -> Values:
        """The tags that a resource has in the end: the provider's and its own."""
        return {**self.cloud.default_tags, **(inputs.get("tags") or {})}

    async def create(self, context: Context, inputs: Values, preview: bool) -> tuple[str, Values]:
        if preview:
            return "", self._planned(inputs)
        subject = self.subject(self._label(context.urn, inputs))
        site = await self._site(inputs)
        id = await self._call(subject, lambda: self.make(site, inputs))
        return id, await self._read_back(site, id, inputs)

    def _planned(self, inputs: Values) -> Values:
        computed = (name for name, item in self.inputs.fields.items() if item.computed)
        return {**dict.fromkeys([*self.outputs, *computed], UNKNOWN), **inputs, **self._planned_tags(inputs)}

    def _planned_tags(self, inputs: Values) -> Values:
        if not self.tagged:
            return {}
        return {"tagsAll": UNKNOWN if has_unknown(inputs.get("tags")) else self.all_tags(inputs)}

    def _label(self, urn: str, inputs: Values) -> str:
        name = inputs.get(self.auto_name.property) if self.auto_name else None
        return name or resource_name(urn)

    async def read(self, context: Context, id: str, state: Values, inputs: Values) -> Resource | None:
        # The official plugin's form for an import from another region than the provider's.
        id, _, region = id.partition("@")
        site = await self._site({"region": region} if region else state or inputs)
        found = await self._find(site, id)
        if found is None:
            return None
        # What only the plugin knows is, after an import, what it is by default.
        defaults = {name: item.default for name, item in self.inputs.fields.items() if item.local and item.default}
        outputs = self._outputs(site, found, {**({} if inputs else defaults), **inputs, **state})
        recorded = {name: value for name, value in inputs.items() if name in self.inputs.fields}
        wanted = self.inputs.respelled(recorded, outputs, trim=True)
        if self.auto_name and not inputs:
            # Or an import would be renamed by the next `up`.
            wanted[self.auto_name.property] = outputs[self.auto_name.property]
        if "region" not in inputs and site.region == self.cloud.region:
            wanted.pop("region", None)
        return Resource(id, outputs, wanted)

    async def update(self, context: Context, id: str, state: Values, new: Values, preview: bool) -> Values:
        if preview:
            outputs = {name: value for name, value in state.items() if name not in self.inputs.fields}
            return {**outputs, **self._kept(state, new), **new, **self._planned_tags(new)}
        site = await self._site(state)
        await self._call(self.subject(id), lambda: self.change(site, id, state, new))
        return await self._read_back(site, id, new)

    async def delete(self, context: Context, id: str, state: Values) -> None:
        site = await self._site(state)

        def remove() -> None:
            from botocore.exceptions import ClientError

            try:
                self.remove(site, id, state)
            except ClientError as error:
                if error.response["Error"]["Code"] not in self.gone:
                    raise

        await self._call(self.subject(id), remove)

    def subject(self, id: str) -> str:
        """The resource as an error names it."""
        return f"{self.noun} {id}"

    def _kept(self, state: Values, new: Values) -> Values:
        computed = {name for name, item in self.inputs.fields.items() if item.computed and name not in new}
        return {name: state[name] for name in computed & state.keys()}

    async def _read_back(self, site: Site, id: str, inputs: Values) -> Values:
        found = await self._find(site, id)
        if found is None:
            raise PluginError(f"{self.subject(id)}: isn't there right after the call that made it; run `up --refresh`")
        return self._outputs(site, found, inputs)

    def _outputs(self, site: Site, found: Values, recorded: Values) -> Values:
        if self.regional:
            found["region"] = site.region
        if self.tagged:
            found["tags"] = self._own_tags(found["tagsAll"], recorded.get("tags") or {})
        own = {name: value for name, value in recorded.items() if name in self.inputs.fields}
        added = {name: found[name] for name in found.keys() - self.inputs.fields.keys()}
        return {**self.inputs.respelled(own, found, trim=False), **added}

    def _own_tags(self, tags: Values, recorded: Values) -> Values:
        defaults = self.cloud.default_tags
        return {name: text for name, text in tags.items() if name in recorded or defaults.get(name) != text}

    async def _site(self, values: Values) -> Site:
        region = values.get("region") if self.regional else None
        region = region if isinstance(region, str) and region else self.cloud.region
        return Site(await asyncio.to_thread(self.cloud.client, self.service, region), region)

    async def _find(self, site: Site, id: str) -> Values | None:
        def find() -> Values | None:
            from botocore.exceptions import ClientError

            try:
                return self.find(site, id)
            except ClientError as error:
                if error.response["Error"]["Code"] in self.gone:
                    return None
                raise

        return await self._call(self.subject(id), find)

    async def _call(self, subject: str, work: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await asyncio.to_thread(work)
        except (ClientError, BotoCoreError) as error:
            raise self.cloud.explain(error, subject) from None

    def schema(self) -> dict[str, Any]:
        """The type in a Pulumi package schema."""
        inputs = {name: item.shape.schema() for name, item in self.inputs.fields.items()}
        tags = {"tagsAll": MapOf(TEXT).schema()} if self.tagged else {}
        return {
            "inputProperties": inputs,
            "requiredInputs": sorted(name for name, item in self.inputs.fields.items() if item.required),
            "properties": {**inputs, **{name: shape.schema() for name, shape in self.outputs.items()}, **tags},
        }

"""Writes ``docs/api`` from the descriptor set: what each RPC, message and enum is for.

python protos/document.py [FOLDER]     FOLDER: where to write, docs/api when it is left out

Comments, rules and access are the contract's own, so that a page cannot say otherwise than the
server does. Files are rewritten whole; those whose proto is gone are removed.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message

ROOT = Path(__file__).resolve().parent.parent
IMAGE = ROOT / "build" / "medport.binpb"
HEADING = "Made from the contract by `make proto`; change `protos/{}` instead.\n"
REPEATS = {
    1: "changes nothing; repeat it freely",
    2: "one effect, however often it is sent (with the same `request_id`, where it has one)",
    0: "not to be repeated blindly",
}
IGNORED = {1: "unless empty", 3: "checked where the mask names it"}  # buf.validate.Ignore
BEHAVIOURS = {1: "optional", 2: "required", 3: "output only", 4: "input only", 5: "immutable"}
# The numbers of descriptor.proto: a comment is found by the path of numbers to its element.
IN_FILE = {DescriptorProto: 4, EnumDescriptorProto: 5, ServiceDescriptorProto: 6}
FIELD, NESTED, ENUM_IN_MESSAGE, VALUE, METHOD = 2, 3, 4, 2, 2


class Options:
    """Options with their extensions: the descriptor set brings the definitions of both."""

    def __init__(self, image: FileDescriptorSet) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in image.file:
            self._pool.Add(file)

    def of(self, options: Message) -> dict[str, Any]:
        """Return what is set in ``options``, by name; extensions by the last part of theirs."""
        known = self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        read = message_factory.GetMessageClass(known)()
        read.ParseFromString(options.SerializeToString())
        return {field.name: value for field, value in read.ListFields()}

    def word(self, enum: str, number: int) -> str:
        """Return the name of a value of one of the shared enums, as people say it."""
        values = self._pool.FindEnumTypeByName(f"medport.common.v1.{enum}").values_by_number
        prefix = values[0].name.removesuffix("UNSPECIFIED")
        return str(values[number].name).removeprefix(prefix).replace("_", " ").lower()


@dataclass(frozen=True)
class Page:
    """One proto file, with what its elements are called and say."""

    file: FileDescriptorProto
    options: Options
    homes: dict[str, str]  # a type's full name -> the page that describes it

    @property
    def path(self) -> str:
        return page_of(self.file)

    def comment(self, *path: int) -> str:
        for location in self.file.source_code_info.location:
            if tuple(location.path) == path:
                lines = location.leading_comments.splitlines()
                return "\n".join(line.removeprefix(" ").rstrip() for line in lines).strip()
        return ""

    def link(self, full_name: str) -> str:
        """Return a type's name, linked when it is one of ours."""
        name = full_name.removeprefix(".")
        home = self.homes.get(name)
        short = name.removeprefix(f"{self.file.package}.")
        if home is None:
            return f"`{short}`"
        target = posixpath.relpath(home, posixpath.dirname(self.path)) if home != self.path else ""
        return f"[`{short}`]({target}#{anchor(short.rpartition('v1.')[2])})"

    def text(self) -> Iterator[str]:
        noun = posixpath.basename(self.file.name).removesuffix(".proto")
        yield f"# {self.file.package}: {noun}\n"
        yield HEADING.format(self.file.name)
        for at, service in enumerate(self.file.service):
            yield from self._service(service, (IN_FILE[ServiceDescriptorProto], at))
        for at, message in enumerate(self.file.message_type):
            yield from self._message(message, (IN_FILE[DescriptorProto], at), "")
        for at, enum in enumerate(self.file.enum_type):
            yield from self._enum(enum, (IN_FILE[EnumDescriptorProto], at), "")

    def _service(self, service: ServiceDescriptorProto, path: tuple[int, ...]) -> Iterator[str]:
        yield f"## {service.name}\n"
        yield self.comment(*path) + "\n"
        for at, method in enumerate(service.method):
            yield f"### {method.name}\n"
            yield self.comment(*path, METHOD, at) + "\n"
            asked, answered = self.link(method.input_type), self.link(method.output_type)
            yield f"- {kind(method)}: {asked} → {answered}"
            options = self.options.of(method.options)
            if "access" not in options:
                name = f"{self.file.package}.{service.name}.{method.name}"
                sys.exit(f"{name} has no access rule: say who may call it")
            yield f"- {REPEATS[options.get('idempotency_level', 0)]}"
            yield from (f"- {line}" for line in who(options["access"], self.options.word))
            yield ""

    def _message(
        self, message: DescriptorProto, path: tuple[int, ...], within: str
    ) -> Iterator[str]:
        if message.options.map_entry:
            return
        yield f"## {within}{message.name}\n"
        yield self.comment(*path) + "\n"
        if heard_by := self.options.of(message.options).get("heard_by"):
            hearers = (self.options.word("EventAudience", each) for each in heard_by)
            yield f"An event, for: {', '.join(hearers)}.\n"
        entries = {
            f".{self.file.package}.{within}{message.name}.{each.name}": each
            for each in message.nested_type
            if each.options.map_entry
        }
        if message.field:
            yield "| field | no. | type | rules | meaning |\n|---|---|---|---|---|"
        for at, field in enumerate(message.field):
            said = cell(self.comment(*path, FIELD, at))
            shape = self._type(field, entries)
            choice = choice_of(message, field)
            told = "; ".join([*choice, *rules(self.options.of(field.options))])
            yield f"| `{field.name}` | {field.number} | {shape} | {cell(told)} | {said} |"
        yield ""
        inside = f"{within}{message.name}."
        for at, nested in enumerate(message.nested_type):
            yield from self._message(nested, (*path, NESTED, at), inside)
        for at, enum in enumerate(message.enum_type):
            yield from self._enum(enum, (*path, ENUM_IN_MESSAGE, at), inside)

    def _type(self, field: FieldDescriptorProto, entries: dict[str, DescriptorProto]) -> str:
        if entry := entries.get(field.type_name):
            key, value = (self._type(each, {}) for each in entry.field)
            return f"map of {key} to {value}"
        named = self.link(field.type_name) if field.type_name else f"`{scalar(field)}`"
        repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
        return f"repeated {named}" if repeated else named

    def _enum(self, enum: EnumDescriptorProto, path: tuple[int, ...], within: str) -> Iterator[str]:
        yield f"## {within}{enum.name}\n"
        yield self.comment(*path) + "\n"
        yield "| value | no. | meaning |\n|---|---|---|"
        for at, value in enumerate(enum.value):
            said = cell(self.comment(*path, VALUE, at))
            yield f"| `{value.name}` | {value.number} | {said} |"
        yield ""


def page_of(file: FileDescriptorProto) -> str:
    return file.name.removeprefix("medport/").removesuffix(".proto") + ".md"


def anchor(heading: str) -> str:
    return "".join(each for each in heading.lower() if each.isalnum() or each in "-_")


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n\n", "<br>").replace("\n", " ")


def scalar(field: FieldDescriptorProto) -> str:
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def kind(method: MethodDescriptorProto) -> str:
    return {
        (False, False): "unary",
        (False, True): "server stream",
        (True, False): "client stream",
        (True, True): "bidirectional stream",
    }[method.client_streaming, method.server_streaming]


def who(rule: Any, word: Callable[[str, int], str]) -> Iterator[str]:
    """Say who may call: the access option, a line for each grant."""
    if rule.anonymous:
        yield "for anybody, without a token"
    for grant in rule.grants:
        roles = ", ".join(word("Role", role) for role in grant.roles)
        permission = word("Permission", grant.permission) if grant.permission else ""
        needs = f", with the permission {permission}" if permission else ""
        yield f"for {roles}: {word('Scope', grant.scope)}{needs}"
    if rule.reads_phi:
        yield "reads what is known of a patient: audited, never from a replica"


def choice_of(message: DescriptorProto, field: FieldDescriptorProto) -> list[str]:
    if field.proto3_optional:
        return ["presence is told"]
    if field.HasField("oneof_index"):
        return [f"one of `{message.oneof_decl[field.oneof_index].name}`"]
    return []


def rules(options: dict[str, Any]) -> Iterator[str]:
    """Say what a field must obey, in the words of its options."""
    for behaviour in options.get("field_behavior", ()):
        yield BEHAVIOURS.get(behaviour, str(behaviour))
    if options.get("debug_redact"):
        yield "**redacted**"
    if options.get("deprecated"):
        yield "deprecated"
    if "field" in options:
        yield from constraints(options["field"])


def constraints(rule: Message, of: str = "") -> Iterator[str]:
    for field, value in rule.ListFields():
        if field.name == "ignore":
            yield f"{of}{IGNORED[value]}"
        elif field.name == "cel":
            yield from (f"{of}{each.message or each.expression}" for each in value)
        elif isinstance(value, Message) and value.DESCRIPTOR.full_name.startswith("buf.validate."):
            each = f"{of}each " if field.name in {"items", "values"} else of
            yield from constraints(value, each)
        elif isinstance(value, Message):
            shown = " ".join(str(value).split())
            yield f"{of}{field.name} `{shown}`"
        elif field.is_repeated:
            yield f"{of}{field.name} `{', '.join(map(str, value))}`"
        else:
            shown = str(value).replace("\0", r"\x00")  # a page is text
            yield f"{of}{field.name}" if value is True else f"{of}{field.name} `{shown}`"


def names(messages: Iterable[DescriptorProto], within: str) -> Iterator[str]:
    for message in messages:
        inside = f"{within}.{message.name}"
        yield inside
        yield from names(message.nested_type, inside)
        yield from (f"{inside}.{enum.name}" for enum in message.enum_type)


def index(pages: list[Page]) -> Iterator[str]:
    yield "# Every RPC\n"
    yield "Made from the contract by `make proto`. Shared messages: [common](common/v1/)."
    yield "A required text holds more than blanks.\n"
    for page in pages:
        for service in page.file.service:
            yield f"## [{page.file.package}.{service.name}]({page.path})\n"
            for at, method in enumerate(service.method):
                said = page.comment(IN_FILE[ServiceDescriptorProto], 0, METHOD, at)
                first = said.partition("\n\n")[0].replace("\n", " ")
                link = f"[{method.name}]({page.path}#{anchor(method.name)})"
                yield f"- {link} ({kind(method)}): {first}"
            yield ""


def documents(image: FileDescriptorSet) -> dict[str, str]:
    """Return the text of every page by its path below ``docs/api``."""
    ours = [file for file in image.file if file.name.startswith("medport/")]
    homes = {
        name: page_of(file)
        for file in ours
        for name in [
            *names(file.message_type, file.package),
            *(f"{file.package}.{enum.name}" for enum in file.enum_type),
        ]
    }
    options = Options(image)
    pages = [Page(file, options, homes) for file in sorted(ours, key=lambda each: each.name)]
    texts = {page.path: "\n".join(page.text()) for page in pages}
    return {"README.md": "\n".join(index(pages)), **texts}


def main(folder: Path) -> None:
    written = documents(FileDescriptorSet.FromString(IMAGE.read_bytes()))
    for name, text in written.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    for stale in set(folder.rglob("*.md")) - {folder / name for name in written}:
        stale.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "api")

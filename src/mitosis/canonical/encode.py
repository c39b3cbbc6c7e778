"""The canonical bytes of a Python value, and the digest that names them."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any, Final, NoReturn, cast

from mitosis.canonical import nodes
from mitosis.canonical.content import without_content
from mitosis.canonical.defaults import non_default_parts
from mitosis.canonical.expansion import (
    LONG_SCALAR,
    Expansion,
    Handler,
    Part,
    fits_64_bits,
    is_short,
    packed_sequence,
)
from mitosis.canonical.names import MISSING, Refusal, ancestors, find, raw_name, type_name
from mitosis.canonical.nodes import (
    Back,
    Item,
    Node,
    Scalar,
    array_header,
    changed,
    element_step,
    index_step,
    join_steps,
    key_step,
    record_step,
    sorted_items,
    write,
)
from mitosis.canonical.plain import (
    BY_NAME,
    BY_TYPE,
    big_integer,
    expand_class,
    expand_dataclass,
    expand_enum,
    expand_namedtuple,
)
from mitosis.canonical.reduce import expand_object, said
from mitosis.canonical.show import brief
from mitosis.errors.values import UnstableValue

DIGEST_DIGITS: Final = 40

INLINE_LIMIT: Final = 2 * 2**20
"""Bytes of content up to which an array keeps it, so that a comparison can name the elements that differ."""

INLINE_TOTAL: Final = 16 * 2**20
"""Bytes of an encoding beyond which no array keeps its content."""

COMPACT_LIMIT: Final = LONG_SCALAR
"""Bytes of content up to which an array keeps it when the whole would be too large otherwise."""

MAX_CYCLIC: Final = 100_000
"""Parts that lead back to what holds them are taken apart each time that they are met, in all no more often."""

_DEEP: Final = (
    f"the value is nested more than {nodes.MAX_DEPTH} levels deep; pass a flatter one, or what it is made from"
)
_HEAP_TYPE: Final = 1 << 9
_KEY: Final = 60
_KEY_PARTS: Final = 5


def encode_value(value: object) -> bytes:
    """The canonical bytes of a value.

    Raises:
        UnstableValue: it, or a part of it, has no stable meaning, or it is too large or nested too deeply.
    """
    return _encode(value, _Walk())[0]


def encode_with_text(value: object, limit: int) -> tuple[bytes, str]:
    """The canonical bytes of a value, and a text of at most `limit` characters on one line.

    The text is as that of `summarize_value`, but of each object it leaves out the parameters that have their defaults,
    and begins with the others. It is empty where no class in the value tells its parameters: the bytes say as much.

    Raises:
        UnstableValue: as for `encode_value`.
    """
    walk = _Walk()
    data, root = _encode(value, walk)
    parts = non_default_parts(walk.objects(), walk.item_of)
    return data, brief(root, limit, detailed=True, parts_of=parts) if parts else ""


def _encode(value: object, walk: _Walk) -> tuple[bytes, Item]:
    try:
        root = walk.item(value, 1)
        if walk.content_bytes <= INLINE_TOTAL:
            data = write(root)
            if len(data) <= INLINE_TOTAL:
                return data, root
        data = write(changed(root, _compact) if isinstance(root, Node) else root)
    except Refusal as refusal:
        raise UnstableValue(join_steps(reversed(refusal.steps)), str(refusal)) from refusal.__cause__
    except RecursionError:
        # Whoever called has used up the room that the bound on levels counts on.
        raise UnstableValue("", _DEEP) from None
    if len(data) > nodes.MAX_BYTES:
        raise UnstableValue("", f"its canonical form would have {len(data):,} bytes, more than {nodes.MAX_BYTES:,}")
    return data, root


def digest_value(data: bytes) -> str:
    """The name of a canonical value: 40 hexadecimal digits of the SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_DIGITS]


def _compact(node: Node) -> Node:
    """The node with digests in place of all content but the shortest."""
    if node.kind == nodes.ARRAY and array_header(node).size_bytes > COMPACT_LIMIT:
        return without_content(node)
    if node.kind == nodes.SEQUENCE and node.label in ("list", "tuple"):
        return packed_sequence(node.label, node.items, COMPACT_LIMIT) or node
    return node


class _Walk:
    """One walk through a value.

    A part that does not refer back to what holds it is the same wherever it stands, and is taken apart once. Any other
    means something else at each place, since what leads back says how far: it is taken apart at each.
    """

    def __init__(self) -> None:
        self.content_bytes = 0
        """Bytes of the different contents that arrays keep."""
        self._levels: dict[int, int] = {}
        """The levels of the values that hold the one at hand, by their `id`."""
        self._nodes: dict[int, Node] = {}
        """What has been taken apart, by `id`."""
        # Parts that the reduce protocol made up must outlive the walk: another one may not get the same id.
        self._alive: list[object] = []
        self._handlers: dict[type, Handler] = {}
        self._contents: dict[bytes, bytes] = {}
        self._node_count = 0
        self._item_count = 0
        self._cyclic_count = 0

    def objects(self) -> Iterator[tuple[object, Node]]:
        """The values that were taken apart, but for those that contain themselves, and their nodes."""
        return ((value, self._nodes[id(value)]) for value in list(self._alive))

    def item_of(self, value: object) -> Item | None:
        """The item that stands for another value; None if it has none."""
        try:
            return self.item(value, 1)
        except Refusal:
            return None

    def item(self, value: object, level: int) -> Item:
        """The item that stands for a value, which is that many levels down.

        Raises:
            Refusal: it has none.
        """
        # Nothing but its type may be asked of a value here: even isinstance would run code of a hostile one.
        cls: type = type(value)
        plain: Any = value
        if plain is None or cls is bool:
            return cast(Scalar, plain)
        if cls is int:
            return cast(int, plain) if fits_64_bits(plain) else self._node(big_integer(plain), level)
        if cls is float:
            return cast(float, plain) if plain == plain else nodes.NAN
        if cls is str:
            if is_short(plain):
                return cast(str, plain)
        elif cls is bytes:
            if len(plain) <= LONG_SCALAR:
                return cast(bytes, plain)
        elif cls is Expansion or cls is Node:
            return self._node(plain, level)
        key = id(value)
        node = self._nodes.get(key)
        if node is not None:
            if level + node.height - 1 > nodes.MAX_DEPTH:
                raise Refusal(_DEEP)
            return node
        if key in self._levels:
            return Back(level - self._levels[key])
        self._levels[key] = level
        node = self._node(self._take_apart(value), level)
        del self._levels[key]
        if node.reach < 0:
            self._nodes[key] = node
            self._alive.append(value)
        else:
            self._cyclic_count += 1
            if self._cyclic_count > MAX_CYCLIC:
                _refuse_more(MAX_CYCLIC, "paths through parts that refer back to what contains them")
        return node

    def _node(self, part: Part, level: int) -> Node:
        """The node of a part, its own parts being taken apart."""
        self._count(part)
        if isinstance(part, Node):
            return part
        if level > nodes.MAX_DEPTH:
            raise Refusal(_DEEP)
        items: list[Item] = []
        try:
            for child in part.children:
                items.append(self.item(child, level + 1))
        except Refusal as refusal:
            refusal.steps.append(_step(part, len(items)))
            raise
        return Node(part.kind, part.label, sorted_items(part.kind, items))

    def _count(self, part: Part) -> None:
        self._node_count += 1
        if self._node_count > nodes.MAX_NODES:
            _refuse_more(nodes.MAX_NODES, "parts")
        self._item_count += len(part.items if isinstance(part, Node) else part.children)
        if self._item_count > nodes.MAX_ITEMS:
            _refuse_more(nodes.MAX_ITEMS, "items")
        if isinstance(part, Node) and part.kind == nodes.ARRAY:
            self._share_content(part)

    def _share_content(self, array: Node) -> None:
        """Keep equal contents once, and count them once."""
        content = array.items[-1]
        if isinstance(content, bytes) and len(content) > COMPACT_LIMIT:
            digest = hashlib.sha256(content).digest()
            if digest not in self._contents:
                self._contents[digest] = content
                self.content_bytes += len(content)
            array.items[-1] = self._contents[digest]

    def _take_apart(self, value: object) -> Part:
        limit = INLINE_LIMIT if self.content_bytes <= INLINE_TOTAL else COMPACT_LIMIT
        try:
            cls = type(value)
            handler = self._handlers.get(cls)
            if handler is None:
                handler = self._handlers[cls] = _handler(cls)
            return handler(value, limit)
        except (Refusal, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise Refusal(f"taking apart this {type_name(type(value))} raised {said(error)}") from error


def _refuse_more(limit: int, of_what: str) -> NoReturn:
    raise Refusal(f"the value has more than {limit:,} {of_what}; pass what it is made from, or a digest of it")


def _step(part: Expansion, position: int) -> str:
    """The step of a path that leads to the child at `position`."""
    if part.kind == nodes.SEQUENCE:
        return index_step(position)
    if part.kind == nodes.SET:
        return element_step("…")
    if part.kind == nodes.RECORD:
        return record_step(str(part.children[position - 1]))
    if position % 2 == 0:
        return "<key>"
    key = part.children[position - 1]
    return key_step(key, _key_text(key))


def _key_text(key: object) -> str:
    cls: type = type(key)
    plain: Any = key
    if any(cls is scalar for scalar in nodes.SCALARS):
        text = f"{plain:#x}" if cls is int and not fits_64_bits(plain) else repr(plain)
        return text if len(text) <= _KEY else text[: _KEY - 1] + "…"
    if cls is tuple and len(plain) <= _KEY_PARTS and not any(type(part) is tuple for part in plain):
        return f"({', '.join(map(_key_text, plain))})"
    return f"<{type_name(cls)}>"


def _handler(cls: type) -> Handler:
    """How to take apart values of exactly this type."""
    if cls in BY_TYPE:
        return BY_TYPE[cls]
    module, name = raw_name(cls)
    handler = BY_NAME.get((module, name))
    if handler is not None:
        found = find(module, name)
        if found is cls or found is MISSING:
            return handler
    for library in ("numpy", "pandas", "polars", "tensor"):
        if library in sys.modules or (library == "tensor" and _is_foreign_array(cls)):
            types = importlib.import_module(f"mitosis.canonical.{library}_types")
            known: Handler | None = types.handler(cls)
            if known is not None:
                return known
    if issubclass(cls, type):
        return expand_class
    enum = sys.modules.get("enum")
    if enum is not None and issubclass(cls, enum.Enum):
        return expand_enum
    if _is_namedtuple(cls):
        return expand_namedtuple
    if "__dataclass_fields__" in vars(cls) and all(base.__flags__ & _HEAP_TYPE for base in ancestors(cls)[:-1]):
        return expand_dataclass
    return expand_object


def _is_foreign_array(cls: type) -> bool:
    """Whether it has the protocol of DLPack, or is a class of jax, whose keys for random numbers have none."""
    keys = find("jax", "Array")
    return hasattr(cls, "__dlpack__") or (isinstance(keys, type) and issubclass(cls, keys))


def _is_namedtuple(cls: type) -> bool:
    """Whether it is a class as `collections.namedtuple` makes it, or a subclass of one."""
    if not issubclass(cls, tuple):
        return False
    fields = getattr(cls, "_fields", None)
    return type(fields) is tuple and all(type(field) is str for field in fields)

"""The rows of a parquet file, with numbers as they were written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompts.errors import UserError
from prompts.files import require_plain

if TYPE_CHECKING:
    import pyarrow


def read_parquet(path: Path) -> Iterable[Any]:
    """The rows as dicts; UserError where the file is no parquet."""
    import pyarrow
    import pyarrow.parquet

    require_plain(path)
    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise UserError(f"{path} is no parquet file: {str(error).splitlines()[0]}") from None
    rows: list[dict[str, Any]] = table.to_pylist()
    for field in table.schema:
        if _is_short(field.type):
            for row in rows:
                row[field.name] = _shortest(row[field.name], field.type)
    return rows


def _is_short(kind: pyarrow.DataType) -> bool:
    """Whether a type holds floats of 16 or 32 bits, itself or within lists and objects."""
    import pyarrow.types as types

    if types.is_struct(kind) or types.is_list(kind) or types.is_large_list(kind):
        return any(_is_short(kind.field(place).type) for place in range(kind.num_fields))
    return bool(types.is_float16(kind) or types.is_float32(kind))


def _shortest(value: Any, kind: pyarrow.DataType) -> Any:
    """A value whose short floats have the fewest digits that tell them apart: 0.1, not 0.10000000149."""
    import numpy
    import pyarrow.types as types

    if value is None or not _is_short(kind):
        return value
    if types.is_struct(kind):
        return {name: _shortest(entry, kind.field(name).type) for name, entry in value.items()}
    if types.is_list(kind) or types.is_large_list(kind):
        return [_shortest(entry, kind.value_type) for entry in value]
    short = numpy.float16 if types.is_float16(kind) else numpy.float32
    return float(str(short(value)))

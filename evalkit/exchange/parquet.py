"""A run as one parquet file: a row a completion; lock and manifest travel in the schema's metadata."""

from __future__ import annotations

import io

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from evalkit.runs.folder import Run
from prompts.lock import PARQUET_KEY

_EXTRACTION = pa.struct(
    [
        ("answer", pa.string()),
        ("rule", pa.string()),
        ("span", pa.list_(pa.int64())),
        ("alternatives", pa.list_(pa.string())),
    ]
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("sample", pa.int32()),
        ("question", pa.string()),
        ("gold", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("truncated", pa.bool_()),
        ("extraction", _EXTRACTION),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("lenient", _EXTRACTION),
        ("lenient_outcome", pa.string()),
        ("seed", pa.int64()),
    ]
)


def to_parquet(run: Run) -> bytes:
    """The records in the shape of `evalkit.records.Record`, sorted by id and sample."""
    metadata = {
        PARQUET_KEY: orjson.dumps(run.lock.as_dict()),
        b"evalkit_manifest": orjson.dumps(run.manifest.as_dict()),
    }
    own = any(record.own_id for record in run.records)  # a column only where rows have ids of their own
    schema = SCHEMA.append(pa.field("own_id", pa.string())) if own else SCHEMA
    rows = [record.as_dict() for record in run.records]
    table = pa.Table.from_pylist(rows, schema=schema.with_metadata(metadata))
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()

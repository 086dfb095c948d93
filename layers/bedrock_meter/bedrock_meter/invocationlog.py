"""Bedrock's own invocation log, read as records: the third door.

An entry has the counts that Bedrock bills by, so they win. The bodies, where the log has them, give only what the
entry itself does not say: how long a cache write lives, images, the stop reason, and a count that is missing.

See https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html. AWS does not document the values
of ``status`` and ``errorCode``; what is not known here is a fault of the record and never a guess.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from bedrock_meter.asked import described
from bedrock_meter.caller import RECORD_ID
from bedrock_meter.charge import charge
from bedrock_meter.domain import Call, Ending, Family, Outcome, Record, UsageSource
from bedrock_meter.logentry import ERROR_UNKNOWN, error_code, http_status, operation, parse_line, part, text, time
from bedrock_meter.modelid import MAX_MODEL_ID, parse
from bedrock_meter.ports import ModelResolver, Pricer, Principals
from bedrock_meter.principals import ArnPatterns
from bedrock_meter.registry import NAME
from bedrock_meter.session import PRICING_FAULT
from bedrock_meter.usage import Reading
from bedrock_meter.usage.buffered import read_document
from bedrock_meter.usage.chunks import ChunkTally
from bedrock_meter.usage.counts import Counts, read_count
from bedrock_meter.usage.families import row_for
from bedrock_meter.usage.headers import LATENCY_SERVED
from bedrock_meter.usage.reading import has_all, merge
from bedrock_meter.verdict import certainty_of, status_of

UNATTRIBUTED = "unattributed"
"""The use case of a call that nobody can be named for."""

USE_CASE_INVALID = "log_use_case_invalid"
USE_CASE_NOT_ALLOWED = "log_use_case_not_allowed"

_COUNTS_OF_INPUT = (
    ("input", "inputTokenCount"),
    ("cache_read", "cacheReadInputTokenCount"),
    ("cache_write", "cacheWriteInputTokenCount"),
)
_COUNTS_OF_OUTPUT = (("output", "outputTokenCount"),)
_TAGS = ("use_case", "team", "key_id")
_BOTH_LOGS = (UsageSource.LOG, UsageSource.LOG)
_EVENTS = ("metadata", "messageStop")
"""The events of ConverseStream that have counts or the stop reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One entry of the log."""

    record: Record
    """What it says of the call."""
    metered: bool
    """Whether one of our doors has metered the call itself, by who called or by the mark that it left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReader:
    """Turns lines of the log into records."""

    principals: Principals
    """Who calls for which use case, where the entry itself does not say."""
    metered: ArnPatterns
    """The principals whose calls a door of ours meters: the roles of the gateway and of functions with the layer."""
    pricer: Pricer | None = None
    """Who knows prices."""
    models: ModelResolver | None = None
    """Who knows the models behind opaque ARNs."""

    def read(self, line: str, *, written: datetime | None) -> Logged | None:
        """Read one line.

        Args:
            line: What the log has.
            written: The time of the log event; None where the log has none. Aware.

        Returns:
            None for a line of another kind.

        Raises:
            LogEntryError: It is an invocation, or may be one, and cannot be counted.
        """
        entry = parse_line(line)
        return None if entry is None else self._logged(entry, written)

    def _logged(self, entry: Mapping[str, Any], written: datetime | None) -> Logged:
        faults: list[str] = []
        identity, metadata = text(part(entry, "identity").get("arn")), part(entry, "requestMetadata")
        asked = part(entry, "input")
        call = self._call(entry, asked, identity, metadata, written, faults)
        reading = _reading(call, asked, part(entry, "output"))
        cost, price_row = self._price(call, reading, faults)
        record = Record(
            call=call,
            usage=reading.usage,
            outcome=_outcome(entry, reading, faults),
            cost=cost,
            price_row=price_row,
            disagreement=reading.disagreement,
            faults=(*faults, *reading.faults),
        )
        marked = RECORD_ID in metadata
        return Logged(record=record, metered=marked or (identity is not None and identity in self.metered))

    def _call(
        self,
        entry: Mapping[str, Any],
        asked: Mapping[str, Any],
        identity: str | None,
        metadata: Mapping[str, Any],
        written: datetime | None,
        faults: list[str],
    ) -> Call:
        region, model_id = text(entry.get("region")), text(entry.get("modelId"), MAX_MODEL_ID)
        model = None if model_id is None else parse(model_id, region)
        if model is not None and model.base is None and self.models is not None:
            model = self.models.find(model)
        latency = part(entry, "performanceConfig").get("latency")
        return described(
            operation(entry, faults),
            model,
            {LATENCY_SERVED: latency} if isinstance(latency, str) else {},
            part(asked, "inputBodyJson"),
            call_id=entry["requestId"],
            input_bytes=None,
            received_at=time(entry, written, faults),
            tags=self._tags(entry, identity, metadata, faults),
        )

    def _tags(
        self, entry: Mapping[str, Any], identity: str | None, metadata: Mapping[str, Any], faults: list[str]
    ) -> Mapping[str, str]:
        tags: dict[str, str] = {}
        for name in _TAGS if metadata else ():
            if isinstance(value := metadata.get(name), str) and NAME.fullmatch(value):
                tags[name] = value
        found = self.principals.find(identity) if identity else None
        if "use_case" not in tags:
            if "use_case" in metadata:
                faults.append(USE_CASE_INVALID)
            tags["use_case"] = found[0] if found else UNATTRIBUTED
        elif found and tags["use_case"] not in found:
            # Anybody may write anything there; who is known may name no more than at the gateway.
            faults.append(USE_CASE_NOT_ALLOWED)
            tags["use_case"] = found[0]
        account = text(entry.get("accountId"))
        if account is not None:
            tags["account"] = account
        if identity is not None:
            tags["principal"] = identity
        return tags

    def _price(self, call: Call, reading: Reading, faults: list[str]) -> tuple[Decimal | None, str | None]:
        try:
            return charge(call, reading, {}, self.pricer)
        except Exception:  # noqa: BLE001 - whatever a pricer raises, the tokens are still counted
            faults.append(PRICING_FAULT)
            return None, None


def _reading(call: Call, asked: Mapping[str, Any], answered: Mapping[str, Any]) -> Reading:
    billed, faults = Counts(), list[str]()
    _count(asked, _COUNTS_OF_INPUT, billed, faults)
    _count(answered, _COUNTS_OF_OUTPUT, billed, faults)
    body = answered.get("outputBodyJson")
    if isinstance(body, list):
        return _from_chunks(call, billed, body, faults)
    document = body if isinstance(body, dict) else {}
    return read_document(call, document, billed=billed, faults=faults, sources=_BOTH_LOGS)


def _count(place: Mapping[str, Any], names: Sequence[tuple[str, str]], billed: Counts, faults: list[str]) -> None:
    for name, member in names:
        if (value := place.get(member)) is not None:
            try:
                setattr(billed, name, read_count(value))
            except ValueError:
                faults.append(f"log_{name}_not_a_count")


def _from_chunks(call: Call, billed: Counts, chunks: Sequence[Any], faults: Sequence[str]) -> Reading:
    """Read the body of a stream, chunk by chunk, for what the entry itself does not say."""
    row = row_for(call.operation, call.model.family if call.model else Family.OTHER)
    known, _ = merge(billed, Counts(), sources=_BOTH_LOGS)
    if has_all(known, row.needs) and not billed.cache_write:
        return Reading(usage=known, complete=True, faults=tuple(faults))
    tally = ChunkTally(row)
    for chunk in chunks:
        event = next((chunk[name] for name in _EVENTS if name in chunk), chunk) if isinstance(chunk, dict) else chunk
        tally.take(json.dumps(event).encode())
    said = tally.result()
    seen, units = Counts(), dict[str, int]()
    if said.usage is not None:
        units = dict(said.usage.other)
        for name in ("input", "output", "cache_read", "cache_write", "cache_write_1h"):
            setattr(seen, name, getattr(said.usage, name))
    usage, disagreement = merge(billed, seen, units=units, sources=_BOTH_LOGS)
    return Reading(
        usage=usage,
        complete=has_all(usage, row.needs),
        stop_reason=said.stop_reason,
        latency_ms=said.latency_ms,
        disagreement=disagreement or said.disagreement,
        faults=(*faults, *said.faults),
    )


def _outcome(entry: Mapping[str, Any], reading: Reading, faults: list[str]) -> Outcome:
    code = error_code(entry)
    answered = http_status(entry, code)
    if code is not None and answered is None:
        faults.append(ERROR_UNKNOWN)
    return Outcome(
        status=status_of(Ending.COMPLETE, answered, code),
        ending=Ending.COMPLETE,
        http_status=answered,
        bedrock_status=answered,
        error_code=code if code is None or code.isidentifier() else None,
        stop_reason=reading.stop_reason,
        certainty=certainty_of(Ending.COMPLETE, reading, answered),
        upstream_request_id=entry["requestId"],
        upstream_latency_ms=reading.latency_ms,
        invoked_model=reading.invoked_model,
    )

"""The operations that run no model on the spot: guardrails on their own, and asynchronous invocations.

Shapes: botocore's service model, bedrock-runtime 2023-09-30. No guardrail finds anything, unless the fault
`guardrail-blocked` is asked for. An asynchronous invocation is in progress until it has been asked for once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

from meterctl.simulate.answer import decode, invalid
from meterctl.simulate.bodies import CANNED
from meterctl.simulate.models import Model, resolve
from meterctl.simulate.prompt import take_limit, take_list, take_object, take_text

CHARACTERS_PER_UNIT: Final = 1000
"""A text unit of a guardrail (Amazon Bedrock pricing)."""

_DEFAULT_SECONDS: Final = 6
_PAGE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One asynchronous invocation."""

    arn: str
    """Its ARN."""
    model_arn: str
    """The foundation model's ARN."""
    output: Mapping[str, Any]
    """`outputDataConfig` as it was asked for."""
    token: str | None
    """`clientRequestToken`."""
    submitted: str
    """When, as ISO 8601."""
    done: bool = False
    """Whether it has been asked for."""

    def as_json(self) -> dict[str, Any]:
        """Return the job as GetAsyncInvoke describes it."""
        document: dict[str, Any] = {
            "invocationArn": self.arn,
            "modelArn": self.model_arn,
            "status": "Completed" if self.done else "InProgress",
            "submitTime": self.submitted,
            "lastModifiedTime": self.submitted,
            "outputDataConfig": dict(self.output),
        }
        if self.token is not None:
            document["clientRequestToken"] = self.token
        return document | {"endTime": self.submitted} if self.done else document


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """One request to a service."""

    ids: tuple[str, ...]
    """What stands in the path, decoded once."""
    query: str
    """The query as it came."""
    body: bytes
    """The whole body."""
    key: bytes
    """16 bytes that stand for the request and how often it came."""
    now: float
    """Seconds since the epoch."""
    jobs: Mapping[str, Job]
    """The asynchronous invocations so far, by ARN."""
    blocked: bool
    """Whether the guardrail intervenes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReply:
    """What a service answers."""

    document: Mapping[str, Any]
    """The body."""
    units: Mapping[str, int] = field(default_factory=dict)
    """What is billed."""
    jobs: tuple[Job, ...] = ()
    """The asynchronous invocations that are new or have changed."""


def apply_guardrail(call: ServiceCall) -> ServiceReply:
    """Answer ApplyGuardrail: a text unit for each 1000 characters or part of them, for each kind of policy."""
    document = decode(call.body)
    if document.get("source") not in {"INPUT", "OUTPUT"}:
        raise invalid("source: Input should be 'INPUT' or 'OUTPUT'")
    parts = [take_object(item, "content") for item in take_list(document.get("content"), "content", least=1)]
    texts = [_text_of(part["text"]) for part in parts if "text" in part]
    images = sum("image" in part for part in parts)
    size = sum(map(len, texts))
    units = _units(texts)
    usage = {
        "topicPolicyUnits": units,
        "contentPolicyUnits": units,
        "wordPolicyUnits": units,
        "sensitiveInformationPolicyUnits": units,
        "sensitiveInformationPolicyFreeUnits": units,
        "contextualGroundingPolicyUnits": 0,
        "contentPolicyImageUnits": images,
    }
    coverage = {"textCharacters": {"guarded": size, "total": size}}
    metrics = {"guardrailProcessingLatency": 0, "usage": usage, "guardrailCoverage": coverage}
    reply = {
        "usage": usage,
        "action": "GUARDRAIL_INTERVENED" if call.blocked else "NONE",
        "outputs": [{"text": CANNED}] if call.blocked else [],
        "assessments": [{"invocationMetrics": metrics}],
        "guardrailCoverage": coverage,
    }
    return ServiceReply(document=reply, units={name: count for name, count in usage.items() if count})


def _text_of(member: Any) -> str:
    return take_text(take_object(member, "content.text").get("text"), "content.text.text")


def _units(texts: Iterable[str]) -> int:
    """Return the text units of one request, whose texts are counted together."""
    return -(-sum(map(len, texts)) // CHARACTERS_PER_UNIT)


_CHECKS: Final = {
    "contentFilter": ("categories", "category"),
    "promptAttack": ("categories", "category"),
    "sensitiveInformation": ("entities", "type"),
}


def invoke_guardrail_checks(call: ServiceCall) -> ServiceReply:
    """Answer InvokeGuardrailChecks: the text units of the messages, once for each check that is asked for."""
    document = decode(call.body)
    asked = take_object(document.get("checks"), "checks")
    texts: list[str] = []
    for message in take_list(document.get("messages"), "messages", least=1):
        content = take_list(take_object(message, "messages").get("content"), "messages.content", least=1)
        texts += [take_text(take_object(block, "content").get("text"), "content.text") for block in content]
    units = _units(texts)
    results: dict[str, Any] = {}
    for check, (members, name) in _CHECKS.items():
        if check in asked:
            wanted = take_list(take_object(asked[check], check).get(members), f"{check}.{members}", least=1)
            kinds = [take_object(item, f"{check}.{members}").get(name) for item in wanted]
            results[check] = {"results": _findings(check, kinds)}
    if not results:
        raise invalid("checks: Input should have at least one check")
    return ServiceReply(
        document={"results": results, "usage": {check: {"textUnits": units} for check in results}},
        units={f"{check}.textUnits": units for check in results},
    )


def _findings(check: str, kinds: list[Any]) -> list[dict[str, Any]]:
    """Return a severity for each category; sensitive information is listed only where it is found."""
    if check == "sensitiveInformation":
        return []
    return [{"category": kind, "severityScore": 0.0} for kind in kinds]


def start_async_invoke(call: ServiceCall) -> ServiceReply:
    """Answer StartAsyncInvoke. The same `clientRequestToken` again starts nothing new."""
    document = decode(call.body)
    model = async_model(document)
    asked = take_object(document.get("modelInput"), "modelInput")
    output = take_object(document.get("outputDataConfig"), "outputDataConfig")
    target = take_object(output.get("s3OutputDataConfig"), "outputDataConfig.s3OutputDataConfig")
    take_text(target.get("s3Uri"), "outputDataConfig.s3OutputDataConfig.s3Uri")
    token = document.get("clientRequestToken")
    known = next((job for job in call.jobs.values() if token is not None and job.token == token), None)
    if known:
        return ServiceReply(document={"invocationArn": known.arn})
    job = Job(
        arn=f"arn:aws:bedrock:us-east-1:111122223333:async-invoke/{call.key.hex()[:12]}",
        model_arn=model.arn,
        output=output,
        token=token,
        submitted=datetime.fromtimestamp(call.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    units = {"video_seconds": _seconds(asked)} if model.family.name == "video" else {"requests": 1}
    return ServiceReply(document={"invocationArn": job.arn}, units=units, jobs=(job,))


def async_model(document: Mapping[str, Any]) -> Model:
    """Return the model of a StartAsyncInvoke request, or raise Bedrock's ValidationException."""
    model = resolve(take_text(document.get("modelId"), "modelId"))
    if model is None:
        raise invalid("The provided model identifier is invalid.")
    if model.family.runs == "at once":
        raise invalid("The model is unsupported for asynchronous invocation.")
    return model


def _seconds(asked: Mapping[str, Any]) -> int:
    """Return the length of the video: Nova Reel's number or Luma's text such as `5s`."""
    config = take_object(asked.get("videoGenerationConfig", {}), "modelInput.videoGenerationConfig")
    if isinstance(text := asked.get("duration"), str) and text.removesuffix("s").isdecimal():
        return int(text.removesuffix("s"))
    limit = take_limit(config.get("durationSeconds"), "modelInput.videoGenerationConfig.durationSeconds")
    return limit or _DEFAULT_SECONDS


def get_async_invoke(call: ServiceCall) -> ServiceReply:
    """Answer GetAsyncInvoke; the first time the job is in progress, from then on it is completed."""
    job = call.jobs.get(call.ids[0])
    if job is None:
        raise invalid("The provided invocation ARN is invalid.")
    return ServiceReply(document=job.as_json(), jobs=(replace(job, done=True),))


def list_async_invokes(call: ServiceCall) -> ServiceReply:
    """Answer ListAsyncInvokes; of its filters only the status is looked at, not the times."""
    query = {name: values[0] for name, values in parse_qs(call.query).items()}
    jobs = [job.as_json() for job in call.jobs.values()]
    if status := query.get("statusEquals"):
        jobs = [job for job in jobs if job["status"] == status]
    if query.get("sortOrder", "Descending") == "Descending":
        jobs.reverse()
    size, start = _number(query, "maxResults", _PAGE), _number(query, "nextToken", 0)
    document: dict[str, Any] = {"asyncInvokeSummaries": jobs[start : start + size]}
    if start + size < len(jobs):
        document["nextToken"] = str(start + size)
    return ServiceReply(document=document)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise invalid(f"{name}: Input should be a number")
    return int(text)

"""The Lambda function, and the one place where the gateway is put together."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Protocol, TextIO

from awshttp.credentials import Provider, provider
from awshttp.sts import Sts
from bedrock_meter import __version__
from bedrock_meter.adapters.clock import SystemClock
from bedrock_meter.adapters.limiting import Limits, limiting
from bedrock_meter.adapters.pricebook import PriceBookFile
from bedrock_meter.adapters.registryview import RegistryView, registered
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.adapters.tokenizer import estimator
from bedrock_meter.budget import Windows
from bedrock_meter.config import REGISTRY, TABLE, Settings
from bedrock_meter.endpoints import control_plane_url
from bedrock_meter.errors import ConfigError
from bedrock_meter.forecaster import EstimateForecaster
from bedrock_meter.meter import Meter
from bedrock_meter.ports import Clock, FaultLog, Pricer, Sink
from bedrock_meter.settingvalues import zone
from gateway.approved import ApprovedPrices, from_s3
from gateway.attribution import RoleSessions
from gateway.count_tokens import forecaster
from gateway.deployment import Announcement
from gateway.faultlog import StructuredFaultLog
from gateway.http import Response, parse_event, render
from gateway.identity import Identity, by_key, identity_for
from gateway.profiles import InferenceProfiles
from gateway.registry import OpenRegistry, open_registry
from gateway.relay import Connections, Gateway
from gateway.services import AwsServices
from gateway.upstream import Upstream
from gateway.usage import UsageReport

# A simulator or a proxy as upstream does not care which Region was signed.
_REGION_OF_A_LOCAL_UPSTREAM = "us-east-1"


class LambdaContext(Protocol):
    """What the handler reads of Lambda's context object."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Give the time until Lambda ends the invocation."""


type Handler = Callable[[Mapping[str, Any], LambdaContext], dict[str, Any]]


def build(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    sink: Sink | None = None,
    lines: TextIO | None = None,
    limits: Limits | None = None,
    checks_keys: bool = False,
) -> Gateway:
    """Put a gateway together.

    Args:
        settings: The settings.
        environ: Where AWS credentials are looked for first.
        sink: Where records go; None writes EMF lines.
        lines: Where EMF lines are written; None for stdout.
        limits: Who knows the limits, and where they are counted; None for those of the registry.
        checks_keys: Whether the gateway checks gateway keys by itself, because no authorizer stands in front of it.

    Raises:
        ConfigError: The settings name neither an upstream nor a Region, a registry that cannot be opened, or none
            although keys are to be checked.
    """
    clock: Clock = SystemClock()
    region = settings.region or _REGION_OF_A_LOCAL_UPSTREAM
    credentials = provider(environ)
    upstream = Upstream(
        url=settings.endpoint, region=region, credentials=credentials, read_timeout=settings.read_timeout_seconds
    )
    faults = StructuredFaultLog(settings.service)

    def failed(code: str, error: BaseException) -> None:
        meter.carry(code, error)  # by then there is a meter

    opened = open_registry(settings, credentials)
    view = None if opened is None else RegistryView(opened.registry.catalogue, failed)
    sink = sink or StreamSink.for_settings(settings, lines, use_cases=registered(settings.use_cases, view))
    prices = PriceBookFile(settings.prices, failed)
    estimate = estimator(failed)
    meter = Meter(
        sink=sink,
        clock=clock,
        faults=faults,
        # A simulator or a proxy as upstream has no control plane to ask.
        models=None if settings.upstream_url else _profiles(settings, credentials, faults),
        pricer=prices,
        estimator=estimate,
        estimate_sample=settings.estimate_sample,
    )
    prices.load()  # while the environment starts, not while the first caller waits
    meter.pricer = _newest(prices, settings, environ, credentials, failed)
    services = AwsServices(settings, region=region, credentials=credentials)
    connections: list[Connections] = [services]
    limiter = None
    if opened is not None and view is not None:
        view.load()
        connections.append(opened)
        limits = limits or Limits(directory=view)
        if limits.store is None:
            limits = replace(limits, store=opened.counters())
    if limits is not None:
        limiter = limiting(
            limits,
            settings,
            transport=services.transport,
            forecaster=forecaster(settings, meter, upstream) or EstimateForecaster(estimate),
            pricer=meter.pricer,
            faults=faults,
            sink=sink,
        )
    attribution = None
    if settings.attribution_role is not None:
        sts = Sts(region=region, credentials=credentials, url=settings.aws_endpoint_url_sts)
        connections.append(sts)
        attribution = RoleSessions(sts, settings.attribution_role, failed)
    return Gateway(
        settings=settings,
        meter=meter,
        upstream=upstream,
        clock=clock,
        identity=_own_keys(opened, view, clock) if checks_keys else identity_for(settings, view),
        usage=UsageReport(limits=limits, windows=Windows(zone(settings.time_zone))),
        limiting=limiter,
        announcement=_announcement(opened, settings, environ, sink, clock, failed),
        attribution=attribution,
        connections=connections,
    )


def _newest(
    packaged: PriceBookFile,
    settings: Settings,
    environ: Mapping[str, str],
    credentials: Provider,
    failed: Callable[[str, BaseException], None],
) -> Pricer:
    """Give the prices, with an approved book before the packaged one where there may be one."""
    if settings.prices_url is None:
        return packaged
    approved = from_s3(
        settings.prices_url,
        region=settings.region or _REGION_OF_A_LOCAL_UPSTREAM,
        credentials=credentials,
        endpoint=environ.get("AWS_ENDPOINT_URL_S3"),
    )
    prices = ApprovedPrices(packaged, approved, every=settings.prices_check_seconds, failed=failed)
    prices.look()  # so that it is there when the first call has its answer
    return prices


def _announcement(
    opened: OpenRegistry | None,
    settings: Settings,
    environ: Mapping[str, str],
    sink: Sink,
    clock: Clock,
    failed: Callable[[str, BaseException], None],
) -> Announcement | None:
    # Only in Lambda: a local gateway on the table of a deployment would take the turn of the deployment, and its line
    # goes to a terminal.
    if opened is None or opened.send is None or settings.table is None or not isinstance(sink, StreamSink):
        return None
    if "AWS_LAMBDA_FUNCTION_NAME" not in environ:
        return None
    return Announcement(
        opened.send,
        settings.table,
        version=settings.version or __version__,
        measure=sink.measure,
        clock=clock,
        failed=failed,
    )


def _own_keys(opened: OpenRegistry | None, view: RegistryView | None, clock: Clock) -> Identity:
    if opened is None or view is None:
        raise ConfigError(REGISTRY, f"name the file of the keys, or a table in {TABLE}, so that keys can be checked")
    return by_key(opened.registry, view, clock)


def _profiles(settings: Settings, credentials: Provider, faults: FaultLog) -> InferenceProfiles:
    def control_plane(region: str) -> Upstream:
        return Upstream(
            url=control_plane_url(region),
            region=region,
            credentials=credentials,
            read_timeout=settings.read_timeout_seconds,
        )

    return InferenceProfiles(control_plane, faults.report)


def handler_for(gateway: Callable[..., Response]) -> Handler:
    """Adapt the app to buffered Lambda invocations with REST proxy events."""
    clock = SystemClock()

    def handle(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        deadline = clock.monotonic() + context.get_remaining_time_in_millis() / 1000
        request = parse_event(event, fallback_id=context.aws_request_id, deadline=deadline, buffered=True)
        return render(gateway(request))

    return handle


@cache
def _deployed() -> Handler:
    return handler_for(build(Settings.from_env(os.environ), environ=os.environ))


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway REST proxy event."""
    return _deployed()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ and "AWS_LAMBDA_EXEC_WRAPPER" not in os.environ:
    # In Lambda the gateway is put together while the environment starts, not while the first caller waits. Under the
    # wrapper it is gateway.runtime that does so, with a sink of its own.
    _deployed()

"""The variables of the dashboards."""

from collections.abc import Iterator

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable, TextBoxVariable
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from bedrock_meter.metrics import INVOCATIONS, MODEL_ID, SERVICE, USE_CASE
from meterctl.dashboards.queries import ALL, DATASOURCE_VARIABLE, REGION_VARIABLE

type Variable = DatasourceVariable | QueryVariable | TextBoxVariable

GATEWAY_LOG_GROUP = "GatewayLogGroup"
"""The logical id in template.yaml; CloudFormation puts it into the name that it makes up."""


def common(own: str) -> Iterator[Variable]:
    """Give the variables of every dashboard, those first on which others depend.

    Args:
        own: The namespace of our metrics.
    """
    yield DatasourceVariable("datasource").label("Data source").type("cloudwatch")
    yield _asking("region", "Region", queryType="regions", region="default")
    yield values_of("service", "Deployment", namespace=own, metric=INVOCATIONS, dimension=SERVICE)
    yield _several(values_of("usecase", "Use case", namespace=own, metric=INVOCATIONS, dimension=USE_CASE))
    yield _several(values_of("model", "Model", namespace=own, metric=INVOCATIONS, dimension=MODEL_ID))
    log_groups = _asking("loggroup", "Log group", queryType="logGroups", logGroupPrefix="$service")
    yield log_groups.regex(f"/{GATEWAY_LOG_GROUP}/")


def values_of(name: str, label: str, *, namespace: str, metric: str, dimension: str, near: str = "") -> QueryVariable:
    """Make a variable of the values of a dimension; CloudWatch lists those of the last two weeks.

    Args:
        name: What queries call it, without the ``$``.
        label: What a person sees.
        namespace: The namespace of the metric.
        metric: A metric that has the dimension.
        dimension: The dimension.
        near: Only values that contain this, unless it is empty.
    """
    variable = _asking(
        name, label, queryType="dimensionValues", namespace=namespace, metricName=metric, dimensionKey=dimension
    )
    return variable.regex(f"/{near}/") if near else variable


def _asking(name: str, label: str, **query: str) -> QueryVariable:
    # The plugin's newer form. A member that is missing would be taken for the older form.
    whole: dict[str, object] = {
        "refId": "CloudWatchVariableQueryEditor-VariableQuery",
        "region": REGION_VARIABLE,
        "namespace": "",
        "metricName": "",
        "dimensionKey": "",
        "dimensionFilters": {},
        "ec2Filters": {},
        "instanceID": "",
        "attributeName": "",
        "resourceType": "",
        "tags": {},
        **query,
    }
    variable = QueryVariable(name).label(label).query(whole).allow_custom_value(True)
    variable.datasource(DataSourceRef(type_val="cloudwatch", uid=DATASOURCE_VARIABLE))
    # Asked once, when the dashboard loads: every request costs money.
    return variable.refresh(VariableRefresh.ON_DASHBOARD_LOAD).sort(VariableSort.ALPHABETICAL_ASC)


def _several(variable: QueryVariable) -> QueryVariable:
    """Let a variable have several values, by default all: one wildcard, and not a list that SEARCH has no room for."""
    every = VariableOption(selected=True, text=["All"], value=["$__all"])
    return variable.multi(True).include_all(True).all_value(ALL).current(every)

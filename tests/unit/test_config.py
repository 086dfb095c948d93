"""Settings: defaults, forms, and what is refused at start-up."""

import pytest

from bedrock_meter import config
from bedrock_meter.adapters.limiting import policy_of
from bedrock_meter.caller import Auth
from bedrock_meter.config import Settings
from bedrock_meter.endpoints import S3Object, s3_url
from bedrock_meter.errors import ConfigError
from bedrock_meter.limiter import Policy


def test_nothing_set_gives_the_defaults() -> None:
    """An empty environment is a valid one, and other programs' variables are not read."""
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({"PATH": "/bin", "NAMESPACE": "x"}) == Settings()


def test_empty_and_blank_variables_count_as_unset() -> None:
    """A template that passes an empty parameter on has set nothing."""
    names = [value for name, value in vars(config).items() if name.isupper() and isinstance(value, str)]
    assert Settings.from_env(dict.fromkeys([*names, "AWS_REGION"], "  ")) == Settings()


def test_every_setting_is_read() -> None:
    """Each variable reaches its field."""
    settings = Settings.from_env(
        {
            "BEDROCK_METER_NAMESPACE": "Team/Meter",
            "BEDROCK_METER_SERVICE": "prod-meter",
            "BEDROCK_METER_VERSION": "v1.4.0-3-gab12cd3",
            "BEDROCK_METER_AUTH": "iam",
            "BEDROCK_METER_REGISTRY": "/var/registry.db",
            "BEDROCK_METER_PRINCIPALS": "arn:aws:iam::*:user/a=b=chat+search\n arn:aws:iam::1:user/c=y",
            "BEDROCK_METER_PROPAGATE_METADATA": "on",
            "BEDROCK_METER_ATTRIBUTION_ROLE": "arn:aws:iam::123456789012:role/path/use-case",
            "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9001",
            "BEDROCK_METER_USE_CASE": "chatbot",
            "BEDROCK_METER_USE_CASES": "search, summary,,",
            "BEDROCK_METER_USE_CASE_HEADER": "On",
            "BEDROCK_METER_MODELS": "a.b, c.d",
            "BEDROCK_METER_PRICES": "/opt/prices.json",
            "BEDROCK_METER_UPSTREAM_URL": " http://127.0.0.1:9000/base/ ",
            "BEDROCK_METER_MAX_BODY_BYTES": "1024",
            "BEDROCK_METER_READ_TIMEOUT_SECONDS": "1.5",
            "BEDROCK_METER_ESTIMATE_SAMPLE": "0.01",
            "BEDROCK_METER_COUNT_TOKENS_BYTES": "100000",
            "BEDROCK_METER_COUNT_TOKENS_SECONDS": "2.5",
            "AWS_REGION": "eu-west-1",
        }
    )
    assert settings == Settings(
        namespace="Team/Meter",
        service="prod-meter",
        version="v1.4.0-3-gab12cd3",
        auth=Auth.IAM,
        registry="/var/registry.db",
        principals={"arn:aws:iam::*:user/a=b": ("chat", "search"), "arn:aws:iam::1:user/c": ("y",)},
        propagate_metadata=True,
        attribution_role="arn:aws:iam::123456789012:role/path/use-case",
        aws_endpoint_url_sts="http://127.0.0.1:9001",
        use_case="chatbot",
        use_cases=frozenset({"chatbot", "search", "summary"}),
        use_case_header=True,
        models=frozenset({"a.b", "c.d"}),
        prices="/opt/prices.json",
        upstream_url="http://127.0.0.1:9000/base",
        max_body_bytes=1024,
        read_timeout_seconds=1.5,
        estimate_sample=0.01,
        count_tokens_bytes=100_000,
        count_tokens_seconds=2.5,
        region="eu-west-1",
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("BEDROCK_METER_NAMESPACE", "AWS/Bedrock"),
        ("BEDROCK_METER_NAMESPACE", "two words"),
        ("BEDROCK_METER_NAMESPACE", "n" * 256),
        ("BEDROCK_METER_SERVICE", "-x"),
        ("BEDROCK_METER_VERSION", ":1"),
        ("BEDROCK_METER_VERSION", "v" * 65),
        ("BEDROCK_METER_SERVICE", "s" * 129),
        ("BEDROCK_METER_USE_CASE", "two words"),
        ("BEDROCK_METER_USE_CASE", "büro"),
        ("BEDROCK_METER_USE_CASE", "u" * 65),
        ("BEDROCK_METER_USE_CASES", "good,not good"),
        ("BEDROCK_METER_USE_CASE_HEADER", "yes"),
        ("BEDROCK_METER_PRICES_URL", "https://price-books.s3.amazonaws.com/prices.json"),
        ("BEDROCK_METER_PRICES_URL", "s3://price.books/prices.json"),
        ("BEDROCK_METER_PRICES_URL", "s3://price-books/"),
        ("BEDROCK_METER_PRICES_URL", "s3://price-books/a b"),
        ("BEDROCK_METER_PRICES_CHECK_SECONDS", "0"),
        ("BEDROCK_METER_AUTH", "OPEN"),
        ("BEDROCK_METER_PRINCIPALS", "chatbot"),
        ("BEDROCK_METER_PRINCIPALS", "arn:aws:iam::1:user/x="),
        ("BEDROCK_METER_PRINCIPALS", "user=chatbot"),
        ("BEDROCK_METER_PRINCIPALS", "arn:aws:iam::1:user/x=two words"),
        ("BEDROCK_METER_PRINCIPALS", "arn:aws:iam::1:user/x=a++b"),
        ("BEDROCK_METER_PROPAGATE_METADATA", "yes"),
        ("BEDROCK_METER_ATTRIBUTION_ROLE", "use-case"),
        ("BEDROCK_METER_ATTRIBUTION_ROLE", "arn:aws:iam::123456789012:user/x"),
        ("BEDROCK_METER_UPSTREAM_URL", "bedrock.example"),
        ("BEDROCK_METER_UPSTREAM_URL", "ftp://bedrock.example"),
        ("BEDROCK_METER_UPSTREAM_URL", "https://"),
        ("BEDROCK_METER_UPSTREAM_URL", "https://host/?a=1"),
        ("BEDROCK_METER_UPSTREAM_URL", "https://host/#a"),
        ("BEDROCK_METER_UPSTREAM_URL", "https://user:canary@host"),
        ("BEDROCK_METER_UPSTREAM_URL", "https://:canary@host"),
        ("BEDROCK_METER_UPSTREAM_URL", "https://[host"),
        ("BEDROCK_METER_UPSTREAM_URL", "https://host:99999"),
        ("BEDROCK_METER_UPSTREAM_URL", "https://host:canary"),
        ("BEDROCK_METER_TABLE", "no"),
        ("BEDROCK_METER_TABLE", "two words"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "dynamodb"),
        ("BEDROCK_METER_FAIL_MODE", "ajar"),
        ("BEDROCK_METER_UNPRICED", "maybe"),
        ("BEDROCK_METER_HOLD", "nothing"),
        ("BEDROCK_METER_TIME_ZONE", "Mars/Olympus"),
        ("BEDROCK_METER_TIME_ZONE", "../etc/passwd"),
        ("BEDROCK_METER_TIME_ZONE", "Europe"),
        ("BEDROCK_METER_DEFAULT_MAX_OUTPUT_TOKENS", "0"),
        ("BEDROCK_METER_EVENT_BUS", "a bus"),
        ("AWS_ENDPOINT_URL_EVENTBRIDGE", "events"),
        ("BEDROCK_METER_MAX_BODY_BYTES", "many"),
        ("BEDROCK_METER_MAX_BODY_BYTES", "0"),
        ("BEDROCK_METER_MAX_BODY_BYTES", "0.5"),
        ("BEDROCK_METER_MAX_BODY_BYTES", "-1"),
        ("BEDROCK_METER_MAX_BODY_BYTES", "nan"),
        ("BEDROCK_METER_MAX_BODY_BYTES", "inf"),
        ("BEDROCK_METER_READ_TIMEOUT_SECONDS", "0"),
        ("BEDROCK_METER_READ_TIMEOUT_SECONDS", "1e999"),
        ("BEDROCK_METER_ESTIMATE_SAMPLE", "1.01"),
        ("BEDROCK_METER_ESTIMATE_SAMPLE", "-0.1"),
        ("BEDROCK_METER_ESTIMATE_SAMPLE", "nan"),
        ("BEDROCK_METER_ESTIMATE_SAMPLE", "1 %"),
        ("BEDROCK_METER_COUNT_TOKENS_BYTES", "0"),
        ("BEDROCK_METER_COUNT_TOKENS_BYTES", "on"),
        ("BEDROCK_METER_COUNT_TOKENS_SECONDS", "0"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(setting: str, value: str) -> None:
    """The error names the variable to change; a credential in a URL is not repeated."""
    with pytest.raises(ConfigError, match=setting) as refused:
        Settings.from_env({setting: value})
    assert refused.value.setting == setting
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({"AWS_REGION": "us-east-1"}, "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        (
            {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "eu-west-1"},
            "https://bedrock-runtime.us-east-1.amazonaws.com",
        ),
        ({"AWS_REGION": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ({"AWS_REGION": "us-east-1", "BEDROCK_METER_UPSTREAM_URL": "http://127.0.0.1:9/"}, "http://127.0.0.1:9"),
    ],
)
def test_the_endpoint(environ: dict[str, str], endpoint: str) -> None:
    """The upstream that is set, else Bedrock in the Region."""
    assert Settings.from_env(environ).endpoint == endpoint


def test_what_the_settings_say_of_limits() -> None:
    """The words of the settings become the policy of the limiter."""
    given = {
        "BEDROCK_METER_FAIL_MODE": "CLOSED",
        "BEDROCK_METER_UNPRICED": "allow",
        "BEDROCK_METER_HOLD": "estimate",
        "BEDROCK_METER_TIME_ZONE": "Europe/Berlin",
        "BEDROCK_METER_DEFAULT_MAX_OUTPUT_TOKENS": "5000",
    }
    policy = policy_of(Settings.from_env(given))
    assert (policy.fail_open, policy.allow_unpriced, policy.hold_estimate) == (False, True, True)
    assert (str(policy.zone), policy.default_max_output_tokens) == ("Europe/Berlin", 5000)
    assert policy_of(Settings.from_env({})) == Policy()


def test_no_endpoint() -> None:
    """Without an upstream and without a Region there is nothing to call."""
    with pytest.raises(ConfigError, match="AWS_REGION"):
        _ = Settings().endpoint


def test_the_place_of_approved_prices() -> None:
    """The URL of an object in S3 is taken apart; its https URL names the bucket, or another S3."""
    place = Settings.from_env({"BEDROCK_METER_PRICES_URL": "s3://price-books/approved/prices.json"}).prices_url
    assert place == S3Object("price-books", "approved/prices.json")
    assert str(place) == "s3://price-books/approved/prices.json"
    assert s3_url(place, "eu-west-1") == "https://price-books.s3.eu-west-1.amazonaws.com/approved/prices.json"
    assert s3_url(place, "cn-north-1").startswith("https://price-books.s3.cn-north-1.amazonaws.com.cn/")
    assert s3_url(place, "eu-west-1", "http://127.0.0.1:9") == "http://127.0.0.1:9/price-books/approved/prices.json"


def test_two_price_books_are_one_too_many() -> None:
    """A file and a place for an approved book exclude each other; the error names the setting."""
    environ = {"BEDROCK_METER_PRICES": "/opt/prices.json", "BEDROCK_METER_PRICES_URL": "s3://price-books/prices.json"}
    with pytest.raises(ConfigError, match="BEDROCK_METER_PRICES_URL"):
        Settings.from_env(environ)


def test_principals_are_read_as_patterns_and_use_cases() -> None:
    """Words of pattern=use_case; the last equals sign divides, for an ARN may hold others."""
    given = "arn:aws:iam::1:role/A=a  arn:aws:sts::1:assumed-role/B/x=y=b\narn:aws:iam::1:user/ada=a"
    assert Settings.from_env({config.PRINCIPALS: given}).principals == {
        "arn:aws:iam::1:role/A": ("a",),
        "arn:aws:sts::1:assumed-role/B/x=y": ("b",),
        "arn:aws:iam::1:user/ada": ("a",),
    }


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("arn:aws:iam::1:role/A", "is not pattern=use_case"),
        ("Chatbot=chatbot", "no pattern"),
        ("arn:aws:iam::1:role/A=", "no use case name"),
        ("arn:aws:iam::1:role/A=a arn:aws:iam::1:role/A=b", "stands there twice"),
        ("arn:aws:iam::1:role/A=a arn:aws:iam::*:role/*=b", "can match both"),
    ],
)
def test_principals_that_leave_a_doubt_are_refused(given: str, problem: str) -> None:
    """The error names the setting, what is wrong, and where two patterns overlap both of them."""
    with pytest.raises(ConfigError, match=problem) as refused:
        Settings.from_env({config.PRINCIPALS: given})
    assert refused.value.setting == config.PRINCIPALS


def test_metered_roles_are_patterns() -> None:
    """Separated by white space; what is no ARN is refused."""
    roles = "arn:aws:iam::1:role/Gateway arn:aws:iam::1:role/layer-*"
    assert Settings.from_env({config.METERED_ROLES: roles}).metered_roles == set(roles.split())
    with pytest.raises(ConfigError, match=config.METERED_ROLES):
        Settings.from_env({config.METERED_ROLES: "Gateway"})

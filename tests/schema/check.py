"""Hold the committed dashboards against JSON schemas made of Grafana's own TypeScript types (``make schema-check``).

What the types leave open is left out: Grafana's type of an annotation knows only the targets of its own database, so a
CloudWatch annotation is held against the type of the CloudWatch plugin instead.
"""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema

HERE = Path(__file__).parent
DASHBOARDS = HERE.parents[1] / "grafana" / "dashboards"
TYPES = "node_modules/@grafana/schema/dist/types/raw"
CLOUDWATCH = f"{TYPES}/composable/cloudwatch/dataquery/x/types.gen.d.ts"
SOURCES: Mapping[str, str] = {
    "Dashboard": f"{TYPES}/dashboard/x/types.gen.d.ts",
    "CloudWatchMetricsQuery": CLOUDWATCH,
    "CloudWatchLogsQuery": CLOUDWATCH,
    "CloudWatchAnnotationQuery": CLOUDWATCH,
}
KINDS: Mapping[str, str] = {
    "Metrics": "CloudWatchMetricsQuery",
    "Logs": "CloudWatchLogsQuery",
    "Annotations": "CloudWatchAnnotationQuery",
}


def schema(folder: Path, kind: str) -> jsonschema.Draft7Validator:
    """Make the schema of a type.

    Args:
        folder: Where the npm packages are installed.
        kind: The name of the type.
    """
    program = str(folder / "node_modules/.bin/ts-json-schema-generator")
    options = ("--expose", "none", "--no-type-check", "--tsconfig", str(HERE / "tsconfig.json"))
    command = [program, "--path", SOURCES[kind], "--type", kind, *options]
    made = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return jsonschema.Draft7Validator(json.loads(made.stdout))


def problems(board: Mapping[str, Any], schemas: Mapping[str, jsonschema.Draft7Validator]) -> Iterator[str]:
    """Give a sentence for each place where a dashboard is not as Grafana's types have it."""
    board = copy.deepcopy(dict(board))
    targets = [target for panel in board["panels"] for target in panel.get("targets", [])]
    annotations = [each for each in board["annotations"]["list"] if each.get("target", {}).get("queryMode")]
    targets += [annotation.pop("target") for annotation in annotations]
    for error in schemas["Dashboard"].iter_errors(board):
        yield f"{[*error.absolute_path]}: {error.message[:200]}"
    for target in targets:
        for error in schemas[KINDS[target["queryMode"]]].iter_errors(target):
            yield f"query {target['refId']} {[*error.absolute_path]}: {error.message[:200]}"


def main(folder: Path) -> int:
    """Check every dashboard; give the exit status."""
    schemas = {kind: schema(folder, kind) for kind in SOURCES}
    planted = {**json.loads((DASHBOARDS / "spend.json").read_text(encoding="utf-8")), "title": 5, "colour": "red"}
    if not [*problems(planted, schemas)]:
        sys.stderr.write("the schemas let a planted error through\n")
        return 1
    found = [
        f"{path.name}: {problem}"
        for path in sorted(DASHBOARDS.glob("*.json"))
        for problem in problems(json.loads(path.read_text(encoding="utf-8")), schemas)
    ]
    sys.stdout.write("\n".join(found) or "every dashboard is as Grafana's types have it")
    sys.stdout.write("\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))

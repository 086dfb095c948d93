"""``meterctl dashboards``: Grafana dashboards and alert rules, written from the names that the meter emits."""

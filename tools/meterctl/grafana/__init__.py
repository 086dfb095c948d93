"""Grafana's side of the metrics: what its CloudWatch plugin asks for."""

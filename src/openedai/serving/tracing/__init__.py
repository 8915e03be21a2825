"""OpenTelemetry traces. Its packages are imported only if traces are on."""

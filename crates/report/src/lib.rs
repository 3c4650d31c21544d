//! Exporters for results: terminal, CSV, PNG.

//! Nothing lives here. This package owns the whole-system tests under `tests/` and the benches under
//! `benches/`; the protocol is in `kernel/`, the relay in `hub/`.

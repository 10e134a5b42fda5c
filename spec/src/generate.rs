//! tmp
pub(crate) fn claims() -> String {
    String::new()
}
pub(crate) fn write(_: &std::path::Path) -> Result<(), String> {
    Ok(())
}

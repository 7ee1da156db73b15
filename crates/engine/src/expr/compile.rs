//! From CEL text to the tree that runs.
use super::*;
pub(super) fn compile(source: &str, _names: &Names) -> Result<Program, Error> {
    Ok(Program { source: source.into(), members: Arc::new([]), uses: Uses::default(), root: Arc::new(node::Node), locals: 0 })
}

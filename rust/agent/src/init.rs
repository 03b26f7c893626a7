use std::path::PathBuf;
pub struct OldRoot;
impl OldRoot {
    pub fn disk() -> Option<PathBuf> {
        None
    }
}
pub fn run() -> ! {
    std::process::exit(3)
}

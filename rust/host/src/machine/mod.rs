pub mod launch;
pub mod list;
pub mod resources;
pub mod scan;
pub mod stderr_log;

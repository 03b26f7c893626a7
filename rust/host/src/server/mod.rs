pub mod clients;
pub mod connections;
pub mod daemon;
pub mod dispatch;
pub mod locks;
pub mod options;
pub mod request;
pub mod supervisor;

//! One member of a tar that is written: a ustar header, with pax records where its fields are too short.

use std::fs::Metadata;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

/// Why a member was not sent. Errors of the stream end the tar; those of a file leave it out.
pub enum Unsent {
    Stream(io::Error),
    File(String),
}

impl From<io::Error> for Unsent {
    fn from(error: io::Error) -> Self {
        Unsent::Stream(error)
    }
}

/// A member's header, with pax records where ustar's fields are too short.
pub struct Member {
    pub header: Header,
    pub pax: Vec<(String, Vec<u8>)>,
}

impl Member {
    pub fn new(name: &Path, metadata: &Metadata) -> io::Result<Self> {
        let mut header = Header::new_ustar();
        let mut pax = Vec::new();
        header.set_mode(metadata.mode() & 0o7777);
        header.set_uid(u64::from(metadata.uid()));
        header.set_gid(u64::from(metadata.gid()));
        header.set_mtime(metadata.mtime().max(0) as u64);
        if metadata.mtime() < 0 {
            pax.push(("mtime".to_owned(), metadata.mtime().to_string().into_bytes()));
        }
        header.set_size(0);
        if header.set_path(name).is_err() {
            pax.push(("path".to_owned(), name.as_os_str().as_bytes().to_vec()));
            header.set_path("long-name")?;
        }
        Ok(Member { header, pax })
    }

    pub fn link_to(&mut self, kind: EntryType, target: &[u8]) -> io::Result<()> {
        self.header.set_entry_type(kind);
        if self.header.set_link_name_literal(target).is_err() {
            self.pax.push(("linkpath".to_owned(), target.to_vec()));
            self.header.set_link_name("long-name")?;
        }
        Ok(())
    }

    /// A reader that does not know of holes makes a file of this name, and not a wrong one of the right name.
    pub fn make_sparse(&mut self, name: &Path, size: u64) -> io::Result<()> {
        self.header.set_path("GNUSparseFile.0/sparse")?;
        let mut set = |key: &str, value: Vec<u8>| self.pax.push((format!("GNU.sparse.{key}"), value));
        set("major", b"1".to_vec());
        set("minor", b"0".to_vec());
        set("name", name.as_os_str().as_bytes().to_vec());
        set("realsize", size.to_string().into_bytes());
        self.pax.retain(|(key, _)| key != "path");
        Ok(())
    }

    pub fn append(mut self, builder: &mut Builder<impl Write>, data: impl Read) -> Result<(), Unsent> {
        self.header.set_cksum();
        if !self.pax.is_empty() {
            builder.append_pax_extensions(self.pax.iter().map(|(key, value)| (key.as_str(), value.as_slice())))?;
        }
        Ok(builder.append(&self.header, data)?)
    }
}

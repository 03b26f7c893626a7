//! A file in a machine's folder that says that the machine is being saved, and as what, for the daemon that comes after
//! one that died meanwhile.

use crate::error::{During, Outcome};
use crate::store::ids::Id;
use crate::store::paths;
use std::fs;
use std::io;
use std::path::PathBuf;

const NAME: &str = "saving";
/// What it says of a machine that becomes a template. No pause has this id: it is too short.
const AS_TEMPLATE: &str = "@";

/// What a machine is being saved as.
#[derive(Debug, PartialEq, Eq)]
pub enum SavingAs {
    Template,
    Pause(Id),
}

fn path(machine: &Id) -> PathBuf {
    paths::machine(machine).join(NAME)
}

/// # Errors
/// What the file system refused.
pub fn set(machine: &Id, saving: &SavingAs) -> Outcome<()> {
    let text = match saving {
        SavingAs::Template => AS_TEMPLATE,
        SavingAs::Pause(id) => id.as_str(),
    };
    fs::write(path(machine), text).during(|| "note what is being done".to_owned())
}

pub fn exists(machine: &Id) -> bool {
    path(machine).exists()
}

/// What it says; `None` when that makes no sense, as where its writer died.
///
/// # Errors
/// What the file system refused, also when there is none.
pub fn read(machine: &Id) -> io::Result<Option<SavingAs>> {
    let text = fs::read_to_string(path(machine))?;
    Ok(match text.as_str() {
        AS_TEMPLATE => Some(SavingAs::Template),
        text => Id::parse(text).ok().map(SavingAs::Pause),
    })
}

pub fn clear(machine: &Id) {
    let _ = fs::remove_file(path(machine));
}

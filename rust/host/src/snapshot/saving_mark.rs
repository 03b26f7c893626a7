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

/// Behind the id of a pause for which the VMM has written all, or all changes: the guest never goes on.
const WRITTEN: &str = " written";
const CHANGES_WRITTEN: &str = " changes written";

/// What a machine is being saved as.
#[derive(Debug, PartialEq, Eq)]
pub enum SavingAs {
    Template,
    Pause(Id),
    /// All is written, and the VMM ends or has ended. `changes_only`: of the memory, what has changed since it was loaded.
    WrittenPause {
        id: Id,
        changes_only: bool,
    },
}

fn path(machine: &Id) -> PathBuf {
    paths::machine(machine).join(NAME)
}

/// # Errors
/// What the file system refused.
pub fn set(machine: &Id, saving: &SavingAs) -> Outcome<()> {
    let text = match saving {
        SavingAs::Template => AS_TEMPLATE.to_owned(),
        SavingAs::Pause(id) => id.to_string(),
        SavingAs::WrittenPause { id, changes_only: false } => format!("{id}{WRITTEN}"),
        SavingAs::WrittenPause { id, changes_only: true } => format!("{id}{CHANGES_WRITTEN}"),
    };
    // Under another name first: a mark that is cut short would say something else.
    let new = path(machine).with_extension("new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, path(machine))).during(|| "note what is being done".to_owned())
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
        text => {
            let (id, changes_only) = match (text.strip_suffix(CHANGES_WRITTEN), text.strip_suffix(WRITTEN)) {
                (Some(id), _) => (id, Some(true)),
                (None, Some(id)) => (id, Some(false)),
                (None, None) => (text, None),
            };
            Id::parse(id).ok().map(|id| match changes_only {
                Some(changes_only) => SavingAs::WrittenPause { id, changes_only },
                None => SavingAs::Pause(id),
            })
        }
    })
}

pub fn clear(machine: &Id) {
    let _ = fs::remove_file(path(machine));
}

//! One verb at a time on one object.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

#[derive(Clone, Default)]
pub struct Locks(Arc<(Mutex<HashSet<String>>, Condvar)>);

/// Keeps a name until dropped.
pub struct LockGuard {
    locks: Locks,
    name: String,
}

impl Locks {
    /// Waits until `name` is free, and takes it. A caller of two takes the machine's before the disk's.
    pub fn lock(&self, name: String) -> LockGuard {
        let (names, changed) = &*self.0;
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        while names.contains(&name) {
            names = changed.wait(names).unwrap_or_else(PoisonError::into_inner);
        }
        names.insert(name.clone());
        LockGuard { locks: self.clone(), name }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let (names, changed) = &*self.locks.0;
        names.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
        changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_second_waits_for_the_first() {
        let locks = Locks::default();
        let first = locks.lock("a".to_owned());
        let _other = locks.lock("b".to_owned());
        let (sent, received) = mpsc::channel();
        let second = std::thread::spawn({
            let locks = locks.clone();
            move || {
                let _guard = locks.lock("a".to_owned());
                sent.send("second").unwrap();
            }
        });
        assert!(received.try_recv().is_err());
        drop(first);
        assert_eq!(received.recv().unwrap(), "second");
        second.join().unwrap();
    }
}

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("throwover-journal-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Folder(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn entry(generation: u64, outcome: Outcome) -> Entry {
    Entry {
        generation,
        at: "2026-11-20T00:00:00Z".to_owned(),
        who: "uid 0 root".to_owned(),
        why: String::new(),
        changes: Vec::new(),
        source: String::new(),
        keys: KeyNames::default(),
        aside: Vec::new(),
        same_as: None,
        outcome,
    }
}

fn image(generation: u64) -> Vec<u8> {
    image::seal(&Draft { generation, ..Draft::default() })
}

#[test]
fn the_newest_live_generation_is_found_again() {
    let folder = Folder::new();
    let journal = Journal::open(&folder.0).unwrap();
    assert!(journal.last_live().unwrap().is_none());
    journal.write(&entry(1, Outcome::Live), &image(1)).unwrap();
    journal.write(&entry(2, Outcome::Live), &image(2)).unwrap();
    journal.write(&entry(3, Outcome::Refused("no".to_owned())), &image(3)).unwrap();
    let again = Journal::open(&folder.0).unwrap();
    let (found, draft) = again.last_live().unwrap().unwrap();
    assert_eq!((found.generation, draft.generation, again.highest().unwrap()), (2, 2, 3));
}

#[test]
fn torn_files_are_passed_over_and_their_numbers_are_not_used_again() {
    let folder = Folder::new();
    let journal = Journal::open(&folder.0).unwrap();
    for generation in 1..=5 {
        journal.write(&entry(generation, Outcome::Live), &image(generation)).unwrap();
    }
    fs::write(journal.path(5, "json"), b"{\"generation\": 5, \"at").unwrap();
    fs::write(journal.path(4, "snapshot"), &image(4)[..20]).unwrap();
    fs::remove_file(journal.path(3, "snapshot")).unwrap();
    fs::write(journal.path(2, "snapshot"), image(9)).unwrap();
    fs::write(journal.folder.join("6.new"), b"half").unwrap();
    let (found, _) = journal.last_live().unwrap().unwrap();
    assert_eq!((found.generation, journal.highest().unwrap()), (1, 5));
    assert!(journal.draft(2).is_err() && journal.draft(4).is_err());
}

#[test]
fn only_the_last_are_kept() {
    let folder = Folder::new();
    let journal = Journal::open(&folder.0).unwrap();
    for generation in 1..=KEPT_MAX as u64 + 3 {
        journal.write(&entry(generation, Outcome::Live), &image(generation)).unwrap();
    }
    let entries = journal.entries().unwrap();
    assert_eq!((entries.len(), entries[0].generation), (KEPT_MAX, 4));
    assert_eq!(fs::read_dir(&journal.folder).unwrap().count(), 2 * KEPT_MAX);
}

#[test]
fn files_are_for_us_alone_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new();
    let journal = Journal::open(&folder.0).unwrap();
    let (elsewhere, temporary) = (folder.0.join("elsewhere"), folder.0.join("generations/1.new"));
    fs::write(&elsewhere, "mine").unwrap();
    symlink(&elsewhere, &temporary).unwrap();
    journal.write(&entry(1, Outcome::Live), &image(1)).unwrap();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
    for name in ["generations/1.snapshot", "generations/1.json"] {
        let found = fs::symlink_metadata(folder.0.join(name)).unwrap();
        assert!(found.is_file() && found.permissions().mode() & 0o777 == 0o600, "{name}: {:o}", found.permissions().mode());
    }
    assert_eq!(fs::metadata(folder.0.join("generations")).unwrap().permissions().mode() & 0o777, 0o700);
}

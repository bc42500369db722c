use super::*;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn folder(name: &str) -> Folder {
    let path = std::env::temp_dir().join(format!("throwover-store-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    Folder(path)
}

#[test]
fn what_is_kept_comes_back() {
    let folder = folder("back");
    let store = Store::new(folder.0.clone());
    assert!(store.load().unwrap().is_none());
    store.keep(b"image", 7, &Secrets::default()).unwrap();
    assert_eq!(store.load().unwrap(), Some((b"image".to_vec(), Secrets::default())));
}

fn one(key: &str) -> Secrets {
    Secrets { keys: vec![(policy::KeyId(0), policy::Secret::new(key.as_bytes().to_vec()))], identity: None }
}

fn names(folder: &Folder) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_credential_never_meets_another_snapshot() {
    let folder = folder("apart");
    let store = Store::new(folder.0.clone());
    store.keep(b"first", 1, &one("of the first")).unwrap();
    // The power goes between the two files of the second.
    replace(&store.secrets(b"second"), &image::seal_secrets(2, &one("of the second"))).unwrap();
    assert_eq!(store.load().unwrap(), Some((b"first".to_vec(), one("of the first"))));
    // A snapshot that somebody put there has none.
    fs::write(store.snapshot(), "another").unwrap();
    let refusal = store.load().unwrap_err().to_string();
    assert!(refusal.contains("secrets of the snapshot beside it are not there"), "{refusal}");
    // Whatever was left, the next publish sets it right and leaves nothing else.
    fs::write(folder.0.join("last-good.0123456789abcdef.secrets"), "left over").unwrap();
    store.keep(b"third", 3, &one("of the third")).unwrap();
    assert_eq!(store.load().unwrap(), Some((b"third".to_vec(), one("of the third"))));
    assert_eq!(names(&folder).len(), 2, "{:?}", names(&folder));
}

#[test]
fn secrets_are_for_us_alone_whatever_was_left_there() {
    let folder = folder("alone");
    let store = Store::new(folder.0.clone());
    let secrets = store.secrets(b"image");
    let (left, elsewhere) = (secrets.with_extension("new"), folder.0.join("elsewhere"));
    fs::write(&elsewhere, "mine").unwrap();
    let traps: [&dyn Fn(); 2] = [&|| symlink(&elsewhere, &left).unwrap(), &|| {
        fs::write(&left, "old").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o666)).unwrap();
    }];
    for trap in traps {
        trap();
        store.keep(b"image", 7, &Secrets::default()).unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
        for path in [secrets.clone(), store.snapshot()] {
            let found = fs::symlink_metadata(&path).unwrap();
            assert!(found.is_file() && found.permissions().mode() & 0o777 == 0o600, "{path:?}: {:o}", found.permissions().mode());
        }
    }
}

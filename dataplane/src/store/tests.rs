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

#[test]
fn secrets_are_for_us_alone_whatever_was_left_there() {
    let folder = folder("alone");
    let store = Store::new(folder.0.clone());
    let (left, elsewhere) = (folder.0.join("last-good.new"), folder.0.join("elsewhere"));
    fs::write(&elsewhere, "mine").unwrap();
    let traps: [&dyn Fn(); 2] = [&|| symlink(&elsewhere, &left).unwrap(), &|| {
        fs::write(&left, "old").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o666)).unwrap();
    }];
    for trap in traps {
        trap();
        store.keep(b"image", 7, &Secrets::default()).unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
        for name in ["last-good.secrets", "last-good.snapshot"] {
            let found = fs::symlink_metadata(folder.0.join(name)).unwrap();
            assert!(found.is_file() && found.permissions().mode() & 0o777 == 0o600, "{name}: {:o}", found.permissions().mode());
        }
    }
}

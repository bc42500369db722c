use super::*;
use std::os::unix::fs::PermissionsExt;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn folder(name: &str) -> Folder {
    Folder(std::env::temp_dir().join(format!("throwover-places-{name}-{}", std::process::id())))
}

#[test]
fn a_folder_of_ours_is_made_for_us_alone() {
    let folder = folder("made");
    let path = folder.0.join("a/b");
    private(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    private(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o775)).unwrap();
    let refused = private(&path).unwrap_err().to_string();
    assert!(refused.contains("a/b: it can be written by others") && refused.contains("chmod go-w"), "{refused}");
    fs::write(folder.0.join("file"), "").unwrap();
    assert!(private(&folder.0.join("file")).unwrap_err().to_string().contains("no folder"));
}

#[test]
fn whose_folder_is_trusted() {
    let table = [(0o755, 7, true), (0o700, 7, true), (0o755, 0, true), (0o700, 8, false), (0o770, 7, false), (0o1777, 0, false)];
    for (mode, owner, good) in table {
        assert_eq!(doubt(mode, owner, 7).is_none(), good, "{mode:o} of {owner}");
    }
}

#[test]
fn a_folder_is_held_by_one() {
    let folder = folder("held");
    private(&folder.0).unwrap();
    let held = hold(&folder.0).unwrap();
    assert_eq!(hold(&folder.0).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(held);
    hold(&folder.0).unwrap();
}

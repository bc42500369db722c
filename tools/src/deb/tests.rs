use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn what_is_laid_out_is_in_the_repository() {
    for (path, source) in LAYOUT {
        assert!(!path.starts_with('/') && !path.ends_with('/'), "{path}");
        if let File(from) | Compressed(from) = source {
            assert!(root().join(from).is_file(), "{from}");
        }
    }
    let paths: std::collections::BTreeSet<&str> = LAYOUT.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths.len(), LAYOUT.len());
}

/// Every policy that is an example is in the package, and every unit.
#[test]
fn no_unit_is_forgotten() {
    for folder in ["dataplane/systemd", "controlplane/systemd"] {
        for unit in files(&root().join(folder)).unwrap() {
            let unit = unit.strip_prefix(root()).unwrap().to_owned();
            assert!(LAYOUT.iter().any(|(_, source)| matches!(source, File(from) if Path::new(from) == unit)), "{unit:?}");
        }
    }
}

#[test]
fn the_changelog_has_the_version_of_the_workspace() {
    assert!(version(&root()).unwrap().starts_with(concat!(env!("CARGO_PKG_VERSION"), "-")));
}

#[test]
fn needs_come_from_symbols() {
    let text = " 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libm.so.6]
  0x0010:   Name: GLIBC_2.9  Flags: none  Version: 9
  0x0020:   Name: GLIBC_2.34  Flags: none  Version: 8
  0x0020:   Name: GLIBC_2.3.4  Flags: none  Version: 8
  0x0030:   Name: GCC_4.2.0  Flags: none  Version: 7
  0x0030:   Name: GCC_3.0  Flags: none  Version: 7
";
    assert_eq!(needs::from(text).unwrap(), "libc6 (>= 2.34), libgcc-s1 (>= 4.2.0)");
    let strange = needs::from(" (NEEDED) Shared library: [libssl.so.3]").unwrap_err();
    assert!(strange.contains("libssl.so.3"), "{strange}");
    assert!(needs::from("").is_err(), "a binary without libraries is one that was not read");
}

/// What a shell does with the scripts when it only reads them.
#[test]
fn scripts_are_shell() {
    for script in SCRIPTS {
        let path = root().join("tools/debian").join(script);
        said(Command::new("sh").arg("-n").arg(&path)).unwrap();
        assert!(String::from_utf8(read(&path).unwrap()).unwrap().starts_with("#!/bin/sh\nset -e\n"), "{script}");
    }
}

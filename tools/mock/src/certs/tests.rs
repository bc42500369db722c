use super::*;

#[test]
fn a_folder_is_opened_again_with_the_same_authority() {
    let dir = std::env::temp_dir().join(format!("throwover-mock-certs-{}", std::process::id()));
    write_folder(&dir).unwrap();
    let first = std::fs::read(dir.join("ca.pem")).unwrap();
    write_folder(&dir).unwrap();
    assert_eq!(first, std::fs::read(dir.join("ca.pem")).unwrap());
    for name in ["ca-key.pem", "leaf-key.pem"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    std::fs::write(dir.join("ca-key.pem"), "damaged").unwrap();
    let said = Authority::open(&dir).unwrap_err().to_string();
    assert!(said.contains("remove the TLS folder"), "{said}");
    std::fs::remove_dir_all(&dir).unwrap();
}

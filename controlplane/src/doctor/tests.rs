use super::*;

#[test]
fn the_kernel_is_new_enough_for_the_data_plane() {
    let table = [("6.7.12", false), ("6.8.0-31-generic", true), ("6.18", true), ("7.0-rc1", true), ("5.15.0", false), ("nonsense", false)];
    for (release, good) in table {
        assert_eq!(kernel_of(release.to_owned()).state == State::Good, good, "{release}");
    }
}

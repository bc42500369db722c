use super::*;

#[test]
fn releases_compare_as_numbers() {
    assert!(kernel_is_at_least("6.18.44-fc", 5, 1));
    assert!(kernel_is_at_least("5.10.0", 5, 1));
    assert!(!kernel_is_at_least("4.19.0-27-amd64", 5, 1));
    assert!(!kernel_is_at_least("nonsense", 5, 1));
}

#[test]
fn this_machine_is_understood() {
    match probe() {
        Ok(found) => {
            assert!(found.descriptors_max >= 128);
            let fitted = found.fit(Settings::default(), 4);
            assert!(fitted.downstream_max < fitted.connections);
            assert!(u64::from(fitted.connections) * 4 <= found.descriptors_max);
        }
        Err(obstacle) => {
            let text = obstacle.to_string();
            assert!(text.contains("with: "), "an obstacle names its remedy: {text}");
        }
    }
}

#[test]
fn errors_of_the_system_become_causes() {
    let explain = |errno| explain(&io::Error::from_raw_os_error(errno));
    assert_eq!(explain(libc::ENOMEM), memory_under(getrlimit(Resource::Memlock).current));
    assert_eq!(memory_under(Some(65536)), Obstacle::Locked { limit: 65536 });
    assert_eq!(memory_under(None), Obstacle::Memory);
    assert!(matches!(explain(libc::EMFILE), Obstacle::Descriptors { .. }));
    assert!(matches!(explain(libc::EINVAL), Obstacle::TooOld { .. }));
    assert!(matches!(explain(libc::EPERM), Obstacle::Filtered | Obstacle::Disabled { .. }));
    assert_eq!(explain(libc::EIO), Obstacle::Other { errno: libc::EIO });
}

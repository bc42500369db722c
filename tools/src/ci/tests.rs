use super::*;

#[test]
fn steps_are_chosen_by_name() {
    assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
    let names = ["tidy".to_owned(), "format".to_owned()];
    let steps: Vec<&str> = chosen(&names).unwrap().iter().map(|step| step.name).collect();
    assert_eq!(steps, ["tidy", "format"]);
    let wrong = chosen(&["tidi".to_owned()]).err().unwrap();
    assert!(wrong.contains("--list"), "{wrong}");
}

#[test]
fn names_of_steps_differ() {
    let names: std::collections::BTreeSet<&str> = STEPS.iter().map(|step| step.name).collect();
    assert_eq!(names.len(), STEPS.len());
}

#[test]
fn commands_tell_how_they_ended() {
    let root = Path::new("/");
    assert_eq!(command(root, &["true"], &[]), Ok(()));
    assert!(command(root, &["false"], &[]).unwrap_err().contains("exit status: 1"));
    assert!(command(root, &["/nowhere/at/all"], &[]).unwrap_err().contains("cannot run"));
    let step = Step::run("env", &["sh", "-c", "test \"$A\" = b"]).with(&[("A", "b")]);
    assert_eq!(perform(root, &step), Ok(()));
}

#[test]
fn the_summary_shows_every_step() {
    let text = summary(&[("format", true, Duration::from_millis(1234)), ("test", false, Duration::from_secs(60))]);
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed, "format ok 1.2 s test FAILED 60.0 s");
}

#[test]
fn versions_of_node_are_told_apart() {
    assert_eq!(major("v20.19.2"), Some(20));
    assert_eq!(major("v8.0.0"), Some(8));
    assert_eq!(major(""), None);
}

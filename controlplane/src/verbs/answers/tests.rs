use super::*;
use crate::{
    daemon::Places,
    socket::{Request, Role},
    verbs::VERBS,
};
use std::sync::mpsc::sync_channel;

const POLICY: &str = "providers: {v: {endpoint: \"http://127.0.0.1:9/v1\"}}
fallback: {chains: [{name: c, models: [{provider: v, model: m}]}]}
";

#[test]
fn who_may_look_changes_nothing() {
    let folder = std::env::temp_dir().join(format!("throwover-answers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("p.yaml"), POLICY).unwrap();
    let places = Places { config: folder.join("p.yaml"), run: folder.clone(), state: folder.join("state") };
    crate::places::private(&places.state).unwrap();
    let mut control = Control::start(places).unwrap().unwrap();
    for verb in VERBS.iter().filter(|verb| matches!(verb.handler, Handler::Daemon(_))) {
        let (reply, replies) = sync_channel(1);
        let (watch, _events) = sync_channel(1);
        let request = Request { verb: verb.name.to_owned(), ..Request::default() };
        answer(&mut control, Asked { request, role: Role::Viewer, who: "uid 7".to_owned(), reply, watch });
        let code = replies.try_recv().unwrap().code;
        assert_eq!(code, if verb.role == Role::Viewer { code::OK } else { code::REFUSED }, "{}", verb.name);
    }
    assert_eq!(control.generation(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}

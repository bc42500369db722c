//! One history for every promise: directed, and under several seeds each, so that the network's
//! moods do not matter.

use super::{
    book::{Ask, Meant, Told},
    check,
    dice::Dice,
    plan,
    provider::{self, Manner, Temper},
    stage::Stage,
    tenant::{self, Habits},
};
use policy::{ChainId, Draft, wire::Event};
use std::{cell::RefCell, rc::Rc};

mod admission;
mod commit;
mod connections;
mod fallbacks;
mod life;
mod out;
mod summary;

/// Every scene is played so often, each time in another mood of the network.
const MOODS: u64 = 8;

/// A stage with one shard, and providers with something in mind.
struct Scene {
    stage: Stage,
}

impl Scene {
    /// Providers that behave in turn as listed, and well afterwards.
    fn new(mood: u64, draft: Draft, manners: &[&[Manner]]) -> Scene {
        Scene::over(Stage::new(mood, draft), manners)
    }

    fn over(mut stage: Stage, manners: &[&[Manner]]) -> Scene {
        for (index, manners) in manners.iter().enumerate() {
            let temper = Temper { next: manners.iter().copied().collect(), dice: Dice::new(index as u64 + 7), faults_permille: 0 };
            let temper = Rc::new(RefCell::new(temper));
            let (io, book) = (stage.io(), stage.book.clone());
            stage.world.provide(plan::address(index), move |end| provider::serve(io.clone(), end, index, temper.clone(), book.clone()));
        }
        // Before it listens, nobody can connect.
        stage.run_ms(20);
        Scene { stage }
    }

    /// A tenant on a connection of its own; gives what it was told.
    fn tell(&mut self, habits: Habits) -> Vec<Heard> {
        let script = tenant::play(self.stage.io(), self.stage.connect(), habits, Dice::new(3), self.stage.book.clone());
        let requests = self.stage.play(script);
        requests.into_iter().map(|request| self.heard(request)).collect()
    }

    /// One request, plainly asked.
    fn ask(&mut self, ask: Ask) -> Heard {
        self.tell(Habits::plain(vec![ask])).pop().expect("one request, one answer")
    }

    fn heard(&self, request: u32) -> Heard {
        let book = self.stage.book.borrow();
        Heard {
            told: book.told[&request].clone(),
            asked: book.asked(request),
            meant: book.attempts(request).last().map(|seen| seen.meant.clone()),
        }
    }

    /// The end: all is given back, and the history is a sound one.
    fn end(mut self) {
        self.stage.end();
        let complaints = check::history(&self.stage);
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}

/// What came of a request.
struct Heard {
    told: Told,
    /// Which providers were asked, in order.
    asked: Vec<usize>,
    meant: Option<Meant>,
}

impl Heard {
    fn status(&self) -> u16 {
        self.told.head.as_ref().map_or(0, |head| head.status())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.told.body.bytes).into_owned()
    }

    fn field(&self, name: &str) -> String {
        self.told.head.as_ref().and_then(|head| head.field(name)).unwrap_or_default().to_owned()
    }

    /// A whole answer of the last provider's.
    fn is_whole(&self) -> bool {
        let right = match &self.meant {
            Some(Meant::Json { body, valid: true }) => *body == self.told.body.bytes,
            Some(Meant::Events { valid: true, .. }) => self.text().ends_with("data: [DONE]\n\n"),
            _ => false,
        };
        self.status() == 200 && self.told.body.whole && right
    }

    /// A stream that broke off after content, and said so.
    fn is_cut(&self) -> bool {
        let text = self.text();
        self.status() == 200
            && !self.told.body.whole
            && text.contains("\"content\":\"part")
            && text.contains("data: {\"error\":")
            && text.contains("\"code\":\"stream_cut\"")
            && !text.contains("[DONE]")
    }
}

/// Plays a scene in every mood.
fn in_every_mood(scene: impl Fn(u64)) {
    (0..MOODS).for_each(scene);
}

fn stream() -> Ask {
    Ask { stream: true, size: 20, ..Ask::default() }
}

fn json() -> Ask {
    Ask { size: 20, ..Ask::default() }
}

/// Two providers, one after the other, and chain 0 changed.
fn two(change: impl Fn(&mut policy::Chain)) -> Draft {
    let mut draft = plan::failover(2);
    change(draft.chains.get_mut(ChainId(0)).expect("chain 0 is there"));
    draft
}

/// The events of this kind.
fn told(scene: &Scene, kind: &str) -> Vec<Event> {
    let process = &scene.stage.process;
    std::iter::from_fn(|| process.next_event()).filter(|event| event.kind == kind).collect()
}

fn detail<'e>(event: &'e Event, name: &str) -> &'e str {
    event.details.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

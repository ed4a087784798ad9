//! Answers what takes longer than a shard may wait: a few threads that hash passwords.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::mailbox::{Mail, Post};
use super::threads::{Crew, Supervisor};
use crate::engine::ids::{ConnectionId, ShardId};
use crate::engine::sink::{Question, Verdict};

/// Where questions are asked. The threads end when the last of these is gone.
#[derive(Clone, Debug)]
pub(super) struct Oracle {
    jobs: SyncSender<Job>,
    /// Nobody waits for answers any more.
    stopping: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Job {
    shard: ShardId,
    connection: ConnectionId,
    question: Question,
}

impl Oracle {
    /// Starts the threads. At most `waiting_max` questions wait for one.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(super) fn start(
        threads: usize,
        waiting_max: usize,
        post: &Arc<Post>,
        supervisor: &Supervisor,
        crew: &mut Crew,
    ) -> io::Result<Self> {
        let (jobs, inbox) = sync_channel(waiting_max);
        let inbox = Arc::new(Mutex::new(inbox));
        let stopping = Arc::new(AtomicBool::new(false));
        for number in 0..threads.max(1) {
            let (inbox, post) = (Arc::clone(&inbox), Arc::clone(post));
            let stopping = Arc::clone(&stopping);
            let answer = move || answer(&inbox, &post, &stopping);
            crew.push(supervisor.spawn(format!("verdicts-{number}"), answer)?);
        }
        Ok(Self { jobs, stopping })
    }

    /// Asks; the answer comes as mail, unless there is one at once.
    pub(super) fn ask(
        &self,
        shard: ShardId,
        connection: ConnectionId,
        question: Question,
    ) -> Option<Verdict> {
        match self.jobs.try_send(Job {
            shard,
            connection,
            question,
        }) {
            Ok(()) => None,
            Err(_) => Some(Verdict::Overloaded),
        }
    }

    /// Has the threads drop all questions that wait.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

/// What one thread does.
fn answer(inbox: &Mutex<Receiver<Job>>, post: &Post, stopping: &AtomicBool) -> io::Result<()> {
    loop {
        let next = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job {
            shard,
            connection,
            question,
        }) = next
        else {
            return Ok(());
        };
        if !stopping.load(Ordering::Relaxed) {
            let Question::Password { hash, password } = question;
            let verdict = if hash.verify(&password) {
                Verdict::Allow
            } else {
                Verdict::Deny
            };
            post.send(shard, Mail::Verdict(connection, verdict))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use mio::{Poll, Token, Waker};
    use mqtt_passwd::{PasswordHash, Scheme};

    use super::*;
    use crate::runtime::tests::Told;

    #[test]
    fn every_question_is_answered_and_those_too_many_at_once() {
        const QUESTIONS: u32 = 40;
        let poll = Poll::new().unwrap();
        let post = Arc::new(Post::new([Waker::new(poll.registry(), Token(0)).unwrap()]));
        let (failures, _reported) = tokio::sync::mpsc::channel(1);
        let supervisor = Supervisor {
            observer: Arc::new(Told::default()),
            failures,
        };
        let mut crew = Crew::new();
        let oracle = Oracle::start(1, 4, &post, &supervisor, &mut crew).unwrap();
        let scheme = Scheme::default();
        let hash = Arc::new(PasswordHash::create(scheme, b"right", b"twelve bytes").unwrap());
        let mut refused = 0;
        for index in 0..QUESTIONS {
            let password: &[u8] = if index % 2 == 0 { b"right" } else { b"wrong" };
            let question = Question::Password {
                hash: hash.clone(),
                password: password.into(),
            };
            let connection = ConnectionId {
                index,
                generation: 0,
            };
            match oracle.ask(ShardId(0), connection, question) {
                None => {}
                Some(verdict) => {
                    assert_eq!(verdict, Verdict::Overloaded);
                    refused += 1;
                }
            }
        }
        // The threads end once nobody can ask any more; what was asked is answered first.
        drop(oracle);
        crew.into_iter().for_each(|thread| thread.join().unwrap());
        let mut mails = VecDeque::new();
        assert!(!post.take(ShardId(0), usize::MAX, &mut mails).unwrap());
        assert_eq!(u32::try_from(mails.len()).unwrap() + refused, QUESTIONS);
        assert!(refused > 0 && mails.len() >= 4, "{refused} refused");
        for (_, mail) in mails {
            let Mail::Verdict(connection, verdict) = mail else {
                panic!("only verdicts come")
            };
            let right = connection.index % 2 == 0;
            assert_eq!(verdict, if right { Verdict::Allow } else { Verdict::Deny });
        }
    }
}

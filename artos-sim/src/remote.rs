//! The store as a process sees it, at the other end of a link.

use std::{sync::Arc, time::Duration};

use artos_core::{
    ListQuery, Page, Retention, TaskId,
    machine::Cancelled,
    model::{NewTask, Settlement},
    notify::{ChangeHub, Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreResult,
        TaskStore,
    },
};
use async_trait::async_trait;

use crate::{link::Link, options::Chaos};

/// Longest time, in milliseconds, without a hint before one is made up.
const QUIET_MAX: u64 = 20_000;

/// The store as a process sees it.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    link: Arc<Link>,
    hub: ChangeHub,
}

impl Remote {
    pub(crate) fn new(link: &Arc<Link>) -> Self {
        Self { link: Arc::clone(link), hub: ChangeHub::default() }
    }

    /// Passes hints on, but not all of them, and not at once; and makes some up.
    async fn pass_on(link: Arc<Link>, mut changes: Changes, hub: ChangeHub, topic: Topic) {
        let level = link.world.options.level(Chaos::Hints);
        loop {
            let quiet = Duration::from_millis(link.draw(|dice| dice.between(1, QUIET_MAX)));
            let is_made_up = tokio::select! {
                biased;
                () = changes.changed() => false,
                () = link.world.sleep_until_healed(quiet), if !link.world.is_healed() => true,
            };
            if link.is_dead() {
                return;
            }
            let (is_lost, late) = link.draw(|dice| (dice.permille(level), dice.below(2_000)));
            if is_made_up || !is_lost {
                tokio::time::sleep(Duration::from_millis(late)).await;
                hub.publish(&topic);
            }
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TaskStore for Remote {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        let tasks: Arc<[NewTask]> = tasks.into();
        let call = move |server: Arc<dyn TaskStore>, tasks: Arc<[NewTask]>| async move {
            server.insert(&tasks).await
        };
        self.link.carry("insert", move |server| call(server, Arc::clone(&tasks))).await
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.link.carry("get", move |server| async move { server.get(id, part).await }).await
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        let query = Arc::new(query.clone());
        let call = move |server: Arc<dyn TaskStore>, query: Arc<ListQuery>| async move {
            server.list(&query).await
        };
        self.link.carry("list", move |server| call(server, Arc::clone(&query))).await
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        let request = Arc::new(request.clone());
        let call = move |server: Arc<dyn TaskStore>, request: Arc<Claim>| async move {
            server.claim(&request).await
        };
        self.link.carry("claim", move |server| call(server, Arc::clone(&request))).await
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        let beats: Arc<[Beat]> = beats.into();
        let call = move |server: Arc<dyn TaskStore>, beats: Arc<[Beat]>| async move {
            server.heartbeat(lease_for, &beats).await
        };
        self.link.carry("heartbeat", move |server| call(server, Arc::clone(&beats))).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        let settlements: Arc<[Settlement]> = settlements.into();
        let call = move |server: Arc<dyn TaskStore>, settlements: Arc<[Settlement]>| async move {
            server.settle(&settlements).await
        };
        self.link.carry("settle", move |server| call(server, Arc::clone(&settlements))).await
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        self.link.carry("cancel", move |server| async move { server.cancel(id).await }).await
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        self.link.carry("rescue", move |server| async move { server.rescue(limit).await }).await
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        let retention = *retention;
        let call =
            move |server: Arc<dyn TaskStore>| async move { server.prune(&retention, limit).await };
        self.link.carry("prune", move |server| call(server)).await
    }

    fn changes(&self, topic: Topic) -> Changes {
        let Ok(server) = self.link.world.server() else {
            return Changes::never();
        };
        let level = self.link.world.options.level(Chaos::Hints);
        if level == 0 {
            return server.changes(topic);
        }
        let changes = self.hub.subscribe(topic.clone());
        let (link, hub) = (Arc::clone(&self.link), self.hub.clone());
        let inner = server.changes(topic.clone());
        self.link.world.spawn(Self::pass_on(link, inner, hub, topic));
        changes
    }
}

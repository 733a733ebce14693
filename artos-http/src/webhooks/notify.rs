//! From the end of a task to its deliveries: who wants to hear of it is looked up here.

use std::time::Duration;

use artos_core::{
    ResultExt, Stage, StageContext, StageError, StageResult, Submission, Task, TaskId, Timestamp,
    store::Part,
};
use serde::{Deserialize, Serialize};

use super::{
    Webhooks,
    deliver::{Deliver, Target},
    endpoint::{Endpoints, REQUESTS},
    event,
};
use crate::records::tenant;

/// How long a cancel may take that was announced, before it is taken for one that never came.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// How long the news of cancels of one task is the same news. Well below the patience, so that
/// news that is shared still waits for minutes after each of the cancels.
const CANCELS_SHARED_FOR: Duration = Duration::from_secs(60);

/// The news that a task ended, or is about to be cancelled.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Notify {
    pub(crate) organization: Option<String>,
    pub(crate) task_id: String,
    /// Submitted before a cancel, because a cancel may end a task without a worker.
    pub(crate) before_cancel: bool,
}

impl Task for Notify {
    const KIND: &'static str = "webhook.notify";
    const QUEUE: &'static str = "artos.webhooks";
    type Output = ();
}

impl Notify {
    /// Makes the submission; the same for the same news.
    ///
    /// A cancel may fail to reach the store, and its news gives up some time later. So a cancel
    /// that comes then is news of its own. Of both, only one delivery is made if both get through.
    pub(crate) fn submission(self, now: Timestamp) -> Submission<Self> {
        let key = if self.before_cancel {
            let minute = now.as_micros() / micros(CANCELS_SHARED_FOR);
            format!("cancel/{}/{minute}", self.task_id)
        } else {
            format!("end/{}", self.task_id)
        };
        let tenant = tenant("webhooks", self.organization.as_deref());
        Submission::new(self).tenant(tenant).idempotency_key(key)
    }
}

const fn micros(time: Duration) -> i64 {
    time.as_secs().cast_signed() * 1_000_000
}

/// Makes a delivery for everybody who wants to hear of the end of a task.
pub(crate) struct Fan {
    pub(crate) webhooks: Webhooks,
}

impl Stage for Fan {
    type Input = Notify;
    type Output = ();

    async fn run(&self, cx: &StageContext, news: Notify) -> StageResult<()> {
        let shared = &self.webhooks.0;
        let id: TaskId = news.task_id.parse().fatal()?;
        let Some(found) = shared.client.find(id, Part::Input).await? else { return Ok(()) };
        let record = found.record;
        if !record.is_terminal() {
            let age = shared.client.now().since(cx.submitted_at());
            let is_coming = record.cancel_requested || age < CANCEL_PATIENCE;
            return match news.before_cancel && is_coming {
                true => {
                    let pause = (age / 4).clamp(Duration::from_millis(50), CANCEL_PATIENCE / 5);
                    Err(StageError::snooze(pause))
                }
                // The cancel did not come: the task goes on, and its end will be told.
                false => Ok(()),
            };
        }
        let Some(source) = shared.sources.get(record.kind.as_str()) else { return Ok(()) };
        let r#type = event::type_of(&source.name, &record);
        let body = event::ended(&r#type, &record).fatal()?;
        let organization = news.organization.as_deref();
        let mut targets = Vec::new();
        if let Some(url) = (source.url_in)(&found.payload.unwrap_or_default()) {
            targets.push((String::from(REQUESTS), Target::Url(url)));
        }
        for endpoint in Endpoints::of(shared, organization).all().await? {
            if endpoint.wants(&r#type) {
                targets.push((endpoint.id.clone(), Target::Endpoint(endpoint.id)));
            }
        }
        for (endpoint, target) in targets {
            let delivery = Deliver {
                organization: news.organization.clone(),
                target,
                message_id: event::message_id(id),
                r#type: r#type.clone(),
                body: body.clone(),
                attempt: 1,
            };
            // The same key for whichever news came first, so that the end is told once.
            let submission = delivery.submission(&format!("{id}/{endpoint}"), Duration::ZERO);
            cx.follow_up(submission)?;
        }
        Ok(())
    }
}

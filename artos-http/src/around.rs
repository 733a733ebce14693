//! What a request goes through on its way to a route, as one layer: each layer of a router costs
//! about as much as reading a task.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::Request,
    http::Method,
    response::{IntoResponse, Response},
};
use futures::{
    FutureExt,
    future::{BoxFuture, CatchUnwind, Either},
};
use pin_project_lite::pin_project;
use tokio::{
    task::coop::unconstrained,
    time::{Sleep, sleep},
};
use tower::{Layer, Service};

use crate::{Problem, app::App, auth::Guard, observe::Observed, prefer};

/// What there is around a service, from the outside in.
#[derive(Clone)]
pub(crate) struct Around(Arc<Parts>);

struct Parts {
    app: Arc<App>,
    /// Request ids, the log, and the one error body.
    is_observing: bool,
    /// Deadlines.
    is_timing: bool,
    /// Who may pass.
    guard: Option<Arc<Guard>>,
}

impl Around {
    /// Everything, for routes with nothing else in between.
    pub(crate) fn all(app: &Arc<App>, guard: Option<Arc<Guard>>) -> Self {
        Self::with(app, (true, true), guard)
    }

    /// What comes before anything else.
    pub(crate) fn outer(app: &Arc<App>) -> Self {
        Self::with(app, (true, false), None)
    }

    /// What comes after anything else.
    pub(crate) fn inner(app: &Arc<App>, guard: Option<Arc<Guard>>) -> Self {
        Self::with(app, (false, true), guard)
    }

    /// Only the guard, for routes with the rest around them.
    pub(crate) fn guard(app: &Arc<App>, guard: Arc<Guard>) -> Self {
        Self::with(app, (false, false), Some(guard))
    }

    fn with(
        app: &Arc<App>,
        (is_observing, is_timing): (bool, bool),
        guard: Option<Arc<Guard>>,
    ) -> Self {
        Self(Arc::new(Parts { app: Arc::clone(app), is_observing, is_timing, guard }))
    }
}

impl<S> Layer<S> for Around {
    type Service = Surrounded<S>;

    fn layer(&self, service: S) -> Surrounded<S> {
        Surrounded { around: self.clone(), service }
    }
}

/// A service with all that around it.
#[derive(Clone)]
pub(crate) struct Surrounded<S> {
    around: Around,
    service: S,
}

type Served = Result<Response, Infallible>;

/// How a request goes on behind the guard: it is served, or refused, or somebody has to be asked.
type Passed<F> = Either<F, Either<Ready<Served>, BoxFuture<'static, Served>>>;

impl<S> Service<Request> for Surrounded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let parts = &self.around.0;
        let observed = parts.is_observing.then(|| Observed::new(&parts.app, &request));
        let deadline = parts.is_timing.then(|| sleep(deadline(&parts.app, &request)));
        let entered = observed.as_ref().map(Observed::enter);
        // A panic leaves nothing half-done that another request could see: handlers share only what
        // is behind locks of its own.
        let passed = catch_unwind(AssertUnwindSafe(|| self.pass(request)));
        let passed = passed.unwrap_or_else(|_| {
            let problem = Problem::internal("the guard panicked");
            Either::Right(Either::Left(ready(Ok(problem.into_response()))))
        });
        drop(entered);
        let served = Some(AssertUnwindSafe(passed).catch_unwind());
        Answering { served, deadline, observed }
    }
}

impl<S> Surrounded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    /// Sends a request past the guard.
    fn pass(&mut self, mut request: Request) -> Passed<S::Future> {
        let Some(guard) = &self.around.0.guard else {
            return Either::Left(self.service.call(request));
        };
        match guard.glance(&mut request) {
            Ok(true) => Either::Left(self.service.call(request)),
            Ok(false) => {
                let guard = Arc::clone(guard);
                // What was found to be ready is used, and a copy of it stays.
                let copy = self.service.clone();
                let mut service = std::mem::replace(&mut self.service, copy);
                let asking = async move {
                    match guard.ask(&mut request).await {
                        Ok(()) => service.call(request).await,
                        Err(problem) => Ok(guard.refuse(&request, problem)),
                    }
                };
                Either::Right(Either::Right(asking.boxed()))
            }
            Err(problem) => {
                let refusal = guard.refuse(&request, problem);
                Either::Right(Either::Left(ready(Ok(refusal))))
            }
        }
    }
}

/// Returns how long a request may take.
fn deadline(app: &App, request: &Request) -> Duration {
    match *request.method() {
        Method::GET => app.request_timeout + prefer::wait(request.headers()).unwrap_or_default(),
        _ => app.request_timeout,
    }
}

pin_project! {
    /// An answer that is being made.
    ///
    /// It is written out because it is kept for each request: nested async functions would hold
    /// each of its parts several times.
    pub(crate) struct Answering<F> {
        // Until it has ended.
        #[pin]
        served: Option<CatchUnwind<AssertUnwindSafe<Passed<F>>>>,
        #[pin]
        deadline: Option<Sleep>,
        observed: Option<Observed>,
    }

    impl<F> PinnedDrop for Answering<F> {
        fn drop(this: Pin<&mut Self>) {
            // What a handler drops belongs to its request, too.
            let mut this = this.project();
            let _entered = this.observed.as_ref().map(Observed::enter);
            this.served.set(None);
        }
    }
}

impl<F: Future<Output = Served>> Future for Answering<F> {
    type Output = Served;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Served> {
        let mut this = self.project();
        let _entered = this.observed.as_ref().map(Observed::enter);
        let Some(served) = this.served.as_mut().as_pin_mut() else { return Poll::Pending };
        let response = match served.poll(context) {
            Poll::Ready(Ok(Ok(response))) => response,
            Poll::Ready(Err(_)) => Problem::internal("a handler panicked").into_response(),
            Poll::Pending => {
                match this.deadline.as_pin_mut().map(|timer| is_over(timer, context)) {
                    Some(true) => Problem::timeout().into_response(),
                    Some(false) | None => return Poll::Pending,
                }
            }
        };
        this.served.set(None);
        Poll::Ready(Ok(match &*this.observed {
            Some(observed) => observed.present(response),
            None => response,
        }))
    }
}

/// Looks at a timer, also for a handler that has used up what its thread may do in one go.
fn is_over(timer: Pin<&mut Sleep>, context: &mut Context<'_>) -> bool {
    pin!(unconstrained(timer)).poll(context).is_ready()
}

#[cfg(test)]
mod tests {
    use axum::routing::future::RouteFuture;

    use super::*;

    #[test]
    fn what_is_kept_for_each_request_is_small() {
        // Allocators are slower beyond a kilobyte.
        assert!(size_of::<Answering<RouteFuture<Infallible>>>() < 1_024);
    }
}

//! Images before containers: what a command fetches and builds first, so that the plan that follows
//! sees the images that the containers will be made from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::apply::{Event, Events};
use crate::model::{Container, Name, Project, PullPolicy, Source};
use crate::observed::Observed;
use crate::plan::{self, Goal, Plan, PlannedStep, Problem, Step, StepId, Wish};

use super::road::Opened;
use super::{ChangeRequest, JobError};

/// What a command says about images, over what the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageWish {
    /// Wins over `pull_policy` of containers that are not built here.
    pub pull: Option<PullPolicy>,
    /// Build all that can be built, also when the image is there.
    pub build: bool,
    /// Build nothing; a missing image is an error.
    pub no_build: bool,
    /// Do not tell the progress of fetching.
    pub quiet_pull: bool,
    /// Use no layer of an earlier build again.
    pub no_cache: bool,
    /// Fetch base images even when the host has them.
    pub fresh_bases: bool,
    /// Further arguments of builds; one without a value takes the builder's own.
    pub build_args: BTreeMap<String, Option<String>>,
}

impl ImageWish {
    /// Writes the wish into the project, so that the planner sees one policy.
    pub(super) fn put_into(&self, project: &mut Project) {
        for container in project.containers.values_mut() {
            let Some(app) = container.app.as_mut() else {
                continue;
            };
            match &mut container.source {
                Source::Image(_) => {
                    if let Some(policy) = self.pull {
                        app.pull = policy;
                    }
                }
                Source::Build(build) => {
                    if self.build {
                        app.pull = PullPolicy::Build;
                    } else if self.no_build && app.pull == PullPolicy::Build {
                        app.pull = PullPolicy::Missing;
                    }
                    build.no_cache |= self.no_cache;
                    build.pull |= self.fresh_bases;
                    build.args.extend(self.build_args.clone());
                }
                Source::Template { .. }
                | Source::CloneSibling(_)
                | Source::CloneHost(_)
                | Source::Download { .. }
                | Source::Rootfs(_) => {}
            }
        }
    }

    /// Refuses a plan that builds against the wish.
    pub(super) fn check(&self, plan: &Plan, request: &ChangeRequest) -> Result<(), JobError> {
        let builds = plan.steps.iter().filter_map(|planned| match &planned.step {
            Step::Build(build) if self.no_build => Some(&build.image),
            _ => None,
        });
        let problems: Vec<Problem> = builds
            .map(|image| Problem {
                message: format!("image `{image}` is not there, and nothing shall be built"),
                container: None,
                key: None,
                place: None,
                help: Some("leave `--no-build` out, or run `locker build`".into()),
            })
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(JobError::Problems {
            command: request.command,
            problems,
        })
    }
}

/// What is fetched and built before `wish` is planned for good: the images of the containers whose
/// policy is `always` or `build`, or asks for a
/// fresh one and the host's is older, those that they depend on included. Empty for most projects.
pub(super) fn first(
    project: &Project,
    observed: &Observed,
    wish: &Wish,
) -> Result<Plan, Vec<Problem>> {
    let mut all = Plan::default();
    if !matches!(wish.goal, Goal::Up | Goal::Create) {
        return Ok(all);
    }
    let names = scope(project, wish.selection.as_ref(), wish.no_deps);
    let now = SystemTime::now();
    for goal in [Goal::Pull, Goal::Build] {
        let meant = names.iter().filter(|name| {
            let container = project.containers.get(*name);
            container.and_then(|c| wanted(c, observed, now)) == Some(&goal)
        });
        let selection: BTreeSet<Name> = meant.cloned().collect();
        if selection.is_empty() {
            continue;
        }
        let wish = Wish {
            goal,
            selection: Some(selection),
            ..wish.clone()
        };
        all = join(all, plan::plan(project, observed, &wish)?);
    }
    Ok(all)
}

/// What is done about a container's image before its host is planned for: nothing for most.
fn wanted(container: &Container, observed: &Observed, now: SystemTime) -> Option<&'static Goal> {
    let app = container.app.as_ref()?;
    match app.pull {
        PullPolicy::Always => Some(&Goal::Pull),
        PullPolicy::Build => Some(&Goal::Build),
        PullPolicy::Missing | PullPolicy::Never => None,
        PullPolicy::Refresh(after) => {
            let image = container.source.image()?;
            is_old(image, after, observed, now).then_some(&Goal::Pull)
        }
    }
}

/// Whether an image that is there was fetched so long ago, or nobody knows when. One that is missing is
/// fetched with the containers that need it, and one with a digest is never another.
fn is_old(image: &str, after: Duration, observed: &Observed, now: SystemTime) -> bool {
    if image.contains('@') || !observed.engine.images.contains_key(image) {
        return false;
    }
    let fetched = observed.engine.tagged.get(image);
    // One from the future says that the clock was set back.
    let age = fetched.and_then(|at| now.duration_since(*at).ok());
    age.is_none_or(|age| age >= after)
}

/// The chosen containers of the file, with all that they depend on unless `no_deps`.
pub(super) fn scope(
    project: &Project,
    selection: Option<&BTreeSet<Name>>,
    no_deps: bool,
) -> BTreeSet<Name> {
    let Some(selection) = selection else {
        return project.containers.keys().cloned().collect();
    };
    let mut found = BTreeSet::new();
    let mut open: Vec<&Name> = selection.iter().collect();
    while let Some(name) = open.pop() {
        let Some(container) = project.containers.get(name) else {
            continue;
        };
        if found.insert(name.clone()) && !no_deps {
            open.extend(container.depends_on.iter().map(|dependency| &dependency.on));
        }
    }
    found
}

/// The images whose names a build takes away, by those names: a run whose containers fail gives them back, so
/// that the next one does not begin with the image that failed.
#[derive(Debug)]
pub(super) struct Older(BTreeMap<String, String>);

impl Older {
    /// What `plan` builds and was there before.
    pub(super) fn of(plan: &Plan, observed: &Observed) -> Self {
        let built = plan.steps.iter().filter_map(|planned| match &planned.step {
            Step::Build(build) => Some(&build.image),
            _ => None,
        });
        let known = &observed.engine.images;
        let older = built.filter_map(|image| Some((image.clone(), known.get(image)?.clone())));
        Self(older.collect())
    }

    /// Gives the names back, unless a container of the project was made from the new image and stays.
    pub(super) async fn give_back(&self, opened: &Opened, events: &dyn Events) {
        if self.0.is_empty() {
            return;
        }
        let Some(engine) = opened.host.backend.engine() else {
            return;
        };
        let now = match opened.host.observe(&opened.project, None).await {
            Ok(now) => now,
            Err(error) => return events.tell(Event::Note(&error.to_string())),
        };
        let used: BTreeSet<&String> = now
            .containers
            .values()
            .filter_map(|c| c.image.as_ref())
            .collect();
        for (image, older) in &self.0 {
            let newer = now.engine.images.get(image);
            if newer == Some(older) || newer.is_some_and(|newer| used.contains(newer)) {
                continue;
            }
            let note = match engine.name_image(older, image).await {
                Ok(()) => format!("image `{image}` is again the one from before the build"),
                Err(error) => error.to_string(),
            };
            events.tell(Event::Note(&note));
        }
    }
}

/// The steps of a plan that fetch and build images, in their order; with `images` those alone.
pub(super) fn only(mut plan: Plan, images: Option<&BTreeSet<String>>) -> Plan {
    let is_meant = |image: &String| images.is_none_or(|images| images.contains(image));
    let brings = |step: &Step| {
        matches!(step, Step::Pull { image, .. } if is_meant(image))
            || matches!(step, Step::Build(build) if is_meant(&build.image))
    };
    plan.take_out(|step| !brings(step));
    Plan {
        steps: plan.steps,
        ..Plan::default()
    }
}

/// One plan out of two: what both do is done once.
pub(super) fn join(first: Plan, second: Plan) -> Plan {
    let mut all = first;
    let before = all.steps.len();
    let mut places: Vec<StepId> = Vec::new();
    for planned in second.steps {
        // No plan has a step twice.
        let mut known = all.steps.iter().take(before);
        let known = known.position(|other| other.step == planned.step);
        let id = known.unwrap_or(all.steps.len());
        places.push(id);
        if known.is_none() {
            let after = planned.after.iter().map(|earlier| places[*earlier]);
            all.steps.push(PlannedStep {
                after: after.collect(),
                ..planned
            });
        }
    }
    all.losses.extend(second.losses);
    all.notices.extend(second.notices);
    for warning in second.warnings {
        if !all.warnings.contains(&warning) {
            all.warnings.push(warning);
        }
    }
    all
}

/// Passes all on but what is printed while images are fetched.
pub(super) struct QuietPull<'a>(pub(super) &'a dyn Events);

impl Events for QuietPull<'_> {
    fn tell(&self, event: Event<'_>) {
        if let Event::Output {
            step: Step::Pull { .. },
            ..
        } = event
        {
            return;
        }
        self.0.tell(event);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{App, Condition, Dependency};
    use crate::plan::Cause;

    pub(in crate::job) fn name(word: &str) -> Name {
        Name::new(word).unwrap()
    }

    pub(in crate::job) fn project() -> Project {
        let container = |word: &str, source: Source, on: &[&str]| {
            let mut container = Container::bare(name(word));
            container.source = source;
            container.app = Some(Box::new(App::default()));
            let on = on.iter().map(|on| Dependency {
                on: name(on),
                condition: Condition::Started,
                restart: false,
                required: true,
            });
            container.depends_on = on.collect();
            (name(word), container)
        };
        let image = |word: &str| Source::Image(word.into());
        Project {
            name: name("shop"),
            directory: "/srv/shop".into(),
            file: "/srv/shop/compose.yaml".into(),
            network: Default::default(),
            networks: BTreeMap::new(),
            firewall: Default::default(),
            supervisor: Default::default(),
            disabled: BTreeMap::new(),
            none: Default::default(),
            groups: BTreeMap::new(),
            containers: [
                container("web", image("nginx"), &["api"]),
                container("api", image("shop_api"), &["db"]),
                container("db", image("postgres"), &[]),
            ]
            .into(),
        }
    }

    fn pull(image: &str, after: &[StepId]) -> PlannedStep {
        PlannedStep {
            step: Step::Pull {
                image: image.into(),
                platform: None,
            },
            causes: vec![Cause::Asked],
            after: after.to_vec(),
        }
    }

    #[test]
    fn a_command_line_wins_over_the_policy_of_the_file() {
        let mut project = project();
        ImageWish {
            pull: Some(PullPolicy::Never),
            ..ImageWish::default()
        }
        .put_into(&mut project);
        let policies = project.containers.values().filter_map(|c| c.app.as_ref());
        assert!(policies.clone().count() == 3);
        assert!(
            policies
                .into_iter()
                .all(|app| app.pull == PullPolicy::Never)
        );
    }

    #[test]
    fn an_image_is_fetched_anew_when_it_is_old_or_of_unknown_age() {
        let mut project = project();
        for container in project.containers.values_mut() {
            if let Some(app) = container.app.as_mut() {
                app.pull = PullPolicy::Refresh(Duration::from_secs(3600));
            }
        }
        let now = SystemTime::now();
        let mut observed = Observed::default();
        for (image, minutes) in [
            ("nginx", Some(61)),
            ("shop_api", Some(59)),
            ("loaded", None),
        ] {
            observed
                .engine
                .images
                .insert(image.into(), "sha256:1".into());
            let at = minutes.and_then(|m| now.checked_sub(Duration::from_secs(m * 60)));
            observed
                .engine
                .tagged
                .extend(at.map(|at| (image.to_string(), at)));
        }
        let mut wanted_of = |word: &str, image: &str| {
            let container = project.containers.get_mut(&name(word)).unwrap();
            container.source = Source::Image(image.into());
            wanted(container, &observed, now).cloned()
        };
        assert_eq!(wanted_of("web", "nginx"), Some(Goal::Pull));
        assert_eq!(wanted_of("web", "shop_api"), None);
        assert_eq!(wanted_of("web", "loaded"), Some(Goal::Pull));
        assert_eq!(wanted_of("web", "missing"), None);
        let digest = "nginx@sha256:1";
        observed
            .engine
            .images
            .insert(digest.into(), "sha256:1".into());
        let container = project.containers.get_mut(&name("web")).unwrap();
        container.source = Source::Image(digest.into());
        assert_eq!(wanted(container, &observed, now), None);
    }

    #[test]
    fn what_is_depended_on_is_fetched_too_unless_it_is_left_alone() {
        let project = project();
        let scope = |no_deps| {
            let chosen = BTreeSet::from([name("web")]);
            let names = scope(&project, Some(&chosen), no_deps);
            names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(scope(false), ["api", "db", "web"]);
        assert_eq!(scope(true), ["web"]);
    }

    #[test]
    fn what_both_plans_do_is_done_once_and_still_waited_for() {
        let first = Plan {
            steps: vec![pull("a", &[]), pull("b", &[])],
            ..Plan::default()
        };
        let second = Plan {
            steps: vec![pull("b", &[]), pull("c", &[0])],
            notices: vec!["what is told first".into()],
            ..Plan::default()
        };
        let all = join(first, second);
        assert_eq!(all.notices.len(), 1);
        assert_eq!(all.steps.len(), 3);
        assert_eq!(all.steps[2], pull("c", &[1]));
    }
}

//! Containers whose keys stand beside their names instead of below.

use super::super::desk::Desk;
use super::super::keys;
use super::super::tree::Entry;

/// Reports names whose keys stand beside them instead of below: for YAML the name then has no
/// value and each of its keys is a further name. The example in the first Locker's README did so.
pub(super) fn flattened(desk: &Desk<'_>, entries: &[Entry]) -> bool {
    let mut found = false;
    let mut index = 0;
    while index < entries.len() {
        let name = &entries[index];
        index += 1;
        if !name.value.is_null() || keys::is_body_key(&name.key) {
            continue;
        }
        let body: Vec<&Entry> = entries[index..]
            .iter()
            .take_while(|entry| keys::is_body_key(&entry.key))
            .collect();
        if body.is_empty() {
            continue;
        }
        index += body.len();
        found = true;
        report_flattened(desk, name, &body);
    }
    found
}

fn report_flattened(desk: &Desk<'_>, name: &Entry, body: &[&Entry]) {
    let keys: Vec<String> = body.iter().map(|e| format!("`{}`", e.key)).collect();
    let Some((last, before)) = keys.split_last() else {
        return;
    };
    let (words, verb, help) = if before.is_empty() {
        let help = "indent it by two blanks, so that it belongs";
        (last.clone(), "stands", help)
    } else {
        let help = "indent them by two blanks, so that they belong";
        (format!("{} and {last}", before.join(", ")), "stand", help)
    };
    let message = format!(
        "`{}` has nothing below it: {words} {verb} beside it instead of below it",
        name.key
    );
    let place = desk.place(body[0].spot);
    let error = desk
        .about(name.spot, message)
        .with_related(
            place,
            body[0].spot.length,
            "from here on at the level of the name",
        )
        .with_help(format!("{help} to `{}`", name.key));
    desk.push(error);
}

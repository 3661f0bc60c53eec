//! Options of the log drivers that every engine has.

/// What all drivers that write lines know.
const COMMON: &str = "labels labels-regex env env-regex tag mode max-buffer-size";

/// Checks an option of a driver; those of drivers that are not the engine's own are theirs to check.
///
/// # Errors
/// What is wrong with it.
pub fn check_log_option(driver: &str, option: &str, value: &str) -> Result<(), String> {
    let own = match driver {
        "json-file" | "local" => "max-size max-file compress",
        "journald" => "",
        "none" => {
            return Err(format!(
                "the log driver `none` has no options, such as `{option}`"
            ));
        }
        _ => return Ok(()),
    };
    let mut known = COMMON.split_whitespace().chain(own.split_whitespace());
    if !known.any(|word| word == option) {
        let all: Vec<&str> = own
            .split_whitespace()
            .chain(COMMON.split_whitespace())
            .collect();
        return Err(format!(
            "`{option}` is not an option of the log driver `{driver}`; it has {}",
            all.join(", ")
        ));
    }
    let good = match option {
        "max-size" | "max-buffer-size" => value == "-1" || super::super::parse_size(value).is_ok(),
        "max-file" => value.parse::<u32>().is_ok_and(|n| n > 0),
        "mode" => matches!(value, "blocking" | "non-blocking" | ""),
        "compress" => matches!(value, "true" | "false"),
        _ => true,
    };
    match good {
        true => Ok(()),
        false => Err(format!(
            "`{value}` is no value of the log option `{option}`"
        )),
    }
}

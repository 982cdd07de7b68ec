//! The parameters of a run: which there are, what they default to, and what the command line sets.
//!
//! *Callers:* `main` reads the command line into [`Params`]; workloads ask for values. *Invariants:* a `Params` is valid
//! once it is made: every number is positive and `gc` is `on` or `off`, so that workloads can not fail on them.

/// Names and defaults of a workload's parameters.
pub(crate) type Defaults = &'static [(&'static str, &'static str)];

/// A workload's parameters, in the order of its defaults.
pub(crate) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// The defaults with the `key=value` settings of the command line; an error says what is wrong with them.
    pub(crate) fn new(defaults: Defaults, settings: &[String]) -> Result<Params, String> {
        let mut params = Params(defaults.iter().map(|&(key, value)| (key, value.to_string())).collect());
        for setting in settings {
            let (key, value) = setting.split_once('=').ok_or(format!("parameters are key=value, not {setting:?}"))?;
            let names = || defaults.iter().map(|pair| pair.0).collect::<Vec<_>>().join(", ");
            let known = params.0.iter_mut().find(|pair| pair.0 == key);
            known.ok_or_else(|| format!("unknown parameter {key:?}: this workload has {}", names()))?.1 = value.into();
        }
        for (key, value) in &params.0 {
            match *key {
                "gc" if value == "on" || value == "off" => {}
                "gc" => return Err(format!("gc must be on or off, not {value:?}")),
                _ if value.parse().is_ok_and(|number: u64| number > 0) => {}
                _ => return Err(format!("{key} must be a positive number, not {value:?}")),
            }
        }
        Ok(params)
    }

    fn text(&self, key: &str) -> &str {
        &self.0.iter().find(|pair| pair.0 == key).expect("workloads ask for parameters that they have").1
    }

    /// A number.
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.text(key).parse().expect("numbers were checked")
    }

    /// A number of elements.
    pub(crate) fn size(&self, key: &str) -> usize {
        self.number(key) as usize
    }

    /// Whether `gc=on`.
    pub(crate) fn collects(&self) -> bool {
        self.text("gc") == "on"
    }

    /// All parameters, for the output.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (*key, value.as_str()))
    }
}

// Metrics against criteria, compared as the decimals they are written as, exactly.

const DECIMAL = "[+-]?[0-9]{1,60}(?:\\.[0-9]{1,60})?(?:[eE][+-]?[0-9]{1,4})?";
const METRIC = new RegExp(`^(?:${DECIMAL}|NaN|-?Infinity)$`);
const CRITERION = new RegExp(`^(>=|<=|==|!=|>|<) ?(${DECIMAL})$`);
const COMPARE = {
  ">=": (sign) => sign >= 0,
  "<=": (sign) => sign <= 0,
  "==": (sign) => sign === 0,
  "!=": (sign) => sign !== 0,
  ">": (sign) => sign > 0,
  "<": (sign) => sign < 0,
};

/** Say whether `metrics` meet every one of `criteria`, both Maps. */
function judge(metrics, criteria) {
  const values = new Map([...metrics].map(([name, metric]) => [name, metricText(name, metric)]));
  const met = [...criteria].map(([name, criterion]) => {
    const found = CRITERION.exec(criterion);
    if (!found) {
      throw new Failure(
        `the criterion ${quoted(criterion)} for ${quoted(name)} is not a comparison such as '>= 0.9'`,
      );
    }
    if (!values.has(name)) {
      throw new Failure(`there is a criterion for ${quoted(name)} and no such metric`);
    }
    const value = values.get(name);
    return value !== "NaN" && COMPARE[found[1]](compareDecimals(value, found[2]));
  });
  return met.every(Boolean);
}

function metricText(name, metric) {
  if (typeof metric === "number") return String(metric);
  if (metric instanceof Double) return String(metric.value);
  if (typeof metric === "string" && METRIC.test(metric)) return metric;
  throw new Failure(`the metric ${quoted(name)} is neither a number nor a decimal as text`);
}

/** Return the sign of the difference; the first may be infinite. */
function compareDecimals(one, other) {
  if (one.endsWith("Infinity")) return one.startsWith("-") ? -1 : 1;
  const parts = [one, other].map((text) => {
    const [mantissa, exponent = "0"] = text.toLowerCase().split("e");
    const [whole, fraction = ""] = mantissa.split(".");
    const digits = BigInt((whole + fraction).replace(/^[+-]/, ""));
    return {
      digits: whole.startsWith("-") ? -digits : digits,
      power: Number(exponent) - fraction.length,
    };
  });
  const least = Math.min(...parts.map((part) => part.power));
  const [left, right] = parts.map(({ digits, power }) => digits * 10n ** BigInt(power - least));
  return left < right ? -1 : Number(left > right);
}

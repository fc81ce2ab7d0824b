// SPDX-License-Identifier: Apache-2.0
// What a shop's invoices come to: `country, date, amount, rows, cancelled` of lines with a quantity
// and a price. Amounts are exact: prices are decimal text with up to three places, counted in
// thousandths. Reads any format that has the columns, by these names or by others (--param).
#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {

struct InvoiceLine {
  std::string_view InvoiceNo;
  std::int64_t Quantity = 0;
  Date InvoiceDate;
  std::string_view UnitPrice, Country;
  MR_FIELDS(InvoiceLine, InvoiceNo, Quantity, InvoiceDate, UnitPrice, Country)
};

/// "-2.55" -> -2550. False: no such number, or not exact in thousandths.
bool ReadThousandths(std::string_view text, std::int64_t* value) {
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  if (point == 0 || point > 12 || text.size() - point > 4 || text.ends_with('.')) return false;
  std::string digits(text.substr(0, point));
  digits += text.substr(std::min(point + 1, text.size()));
  digits.append(point == text.size() ? 3 : 4 - (text.size() - point), '0');
  if (digits.find_first_not_of("0123456789") != std::string::npos) return false;
  *value = std::stoll(digits) * (is_negative ? -1 : 1);
  return true;
}

using CountryDay = std::tuple<std::string_view, Date>;

struct Totals {
  std::int64_t thousandths = 0, rows = 0, cancelled = 0;
  MR_FIELDS(Totals, thousandths, rows, cancelled)
};

struct PriceLine {
  void Map(const InvoiceLine& line, Emitter<CountryDay, Totals>& emit, Context& context) {
    std::int64_t price = 0, amount = 0;
    if (!ReadThousandths(line.UnitPrice, &price)) {
      return context.Reject("UnitPrice is no number of at most three decimal places");
    }
    if (__builtin_mul_overflow(price, line.Quantity, &amount)) {
      return context.Reject("Quantity times UnitPrice is out of range");
    }
    emit({line.Country, line.InvoiceDate}, {amount, 1, line.InvoiceNo.starts_with('C') ? 1 : 0});
  }
};

Totals SumOf(Values<Totals>& lines) {
  Totals sum;
  for (const Totals& line : lines) {
    sum.thousandths += line.thousandths;
    sum.rows += line.rows;
    sum.cancelled += line.cancelled;
  }
  return sum;
}

struct AddUp {
  void Reduce(const CountryDay& key, Values<Totals>& lines, Emitter<CountryDay, Totals>& emit) {
    emit(key, SumOf(lines));
  }
};

using Row = std::tuple<std::string, std::int64_t, std::int64_t>;
struct AddUpAndWrite {
  void Reduce(const CountryDay& key, Values<Totals>& lines, Emitter<CountryDay, Row>& emit) {
    const Totals sum = SumOf(lines);
    std::string digits = std::to_string(std::abs(sum.thousandths));
    if (digits.size() < 4) digits.insert(0, 4 - digits.size(), '0');
    digits.insert(digits.size() - 3, ".");
    emit(key, {(sum.thousandths < 0 ? "-" : "") + digits, sum.rows, sum.cancelled});
  }
};

void ShopRevenue(Job& job) {
  job.Read<InvoiceLine>("invoices")
      .Map<PriceLine>()
      .Combine<AddUp>()
      .Reduce<AddUpAndWrite>()
      .Write<Tsv>("shop_revenue", {"country", "date", "amount", "rows", "cancelled"});
}
MR_JOB(shop_revenue, ShopRevenue, "what a shop's invoices come to, by country and day")
}  // namespace

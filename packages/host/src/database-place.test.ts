import { expect, it } from "vitest";
import { databasePlace, describePlace } from "./database-place.ts";

it.each([
  ["postgresql://ann:secret@db.example.org:6432/terms", "db.example.org:6432, database terms"],
  ["postgres://db.example.org/terms?sslmode=require", "db.example.org:5432, database terms"],
  ["postgresql://ann@/terms?host=%2Frun%2Fpostgresql", "/run/postgresql, port 5432, database terms"],
  ["postgresql:///terms", "localhost:5432, database terms"],
  ["postgresql://ann:p%40ss@localhost", "localhost:5432, database ann"],
])("%s is shown without its password", (url, shown) => {
  const place = databasePlace(url);
  expect(place === null ? null : describePlace(place)).toBe(shown);
});

it.each(["", "mysql://h/d", "postgresql://h:port/d", "postgresql://%zz/d", "postgresql://host"])(
  "'%s' is no such URL",
  (url) => {
    expect(databasePlace(url)).toBeNull();
  },
);

import { useQuery } from "@tanstack/react-query";
import { FailureNote } from "../parts/failure.tsx";
import { Row, Rows, Section } from "../parts/sheet.tsx";
import { ActLine } from "./act-line.tsx";
import { actsQuery } from "./acts-query.ts";

/** In the page of one's account: all that admins did. */
export const ActsSection = () => {
  const acts = useQuery(actsQuery);
  return (
    <Section
      title="What admins did"
      words="With your environments: terminals that they saw, and what they gave to others."
    >
      {acts.isError && <FailureNote error={acts.error} className="mb-3" />}
      {acts.isPending && (
        <p role="status" className="text-muted">
          Loading what admins did…
        </p>
      )}
      {acts.data?.length === 0 && <p className="text-muted">Nothing.</p>}
      {acts.data && acts.data.length > 0 && (
        <Rows label="What admins did">
          {acts.data.map((act) => (
            <Row key={act.id}>
              <ActLine of={act} />
            </Row>
          ))}
        </Rows>
      )}
    </Section>
  );
};

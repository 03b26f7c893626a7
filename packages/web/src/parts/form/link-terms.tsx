/** How many people a link lets in, and how long. */
import { Choice, Field } from "./field.tsx";

export const usesFault = (text: string, most: number): string | null => {
  const uses = Number(text);
  return Number.isInteger(uses) && uses >= 1 && uses <= most ? null : `A number from 1 to ${most}.`;
};

export interface UsesFieldProps {
  readonly most: number;
  readonly defaultValue: number;
  readonly fault: string | undefined;
}

export const UsesField = ({ most, ...rest }: UsesFieldProps) => (
  <Field
    {...rest}
    name="uses"
    label="For how many people"
    type="number"
    inputMode="numeric"
    min={1}
    max={most}
    autoComplete="off"
  />
);

const LIFE_WORDS = {
  3600: "1 hour",
  28800: "8 hours",
  86400: "1 day",
  604800: "7 days",
  2592000: "30 days",
  7776000: "90 days",
} as const;
type Life = keyof typeof LIFE_WORDS;

export interface LifeChoiceProps {
  readonly lives: readonly Life[];
  readonly defaultValue: Life;
}

/** In seconds. */
export const LifeChoice = ({ lives, defaultValue }: LifeChoiceProps) => (
  <Choice name="life" label="Ends after" defaultValue={defaultValue} autoComplete="off">
    {lives.map((seconds) => (
      <option key={seconds} value={seconds}>
        {LIFE_WORDS[seconds]}
      </option>
    ))}
  </Choice>
);

/** To the second; `never` where there is none. */
export const timeText = (time: string | null): string => time?.replace(/\.\d+Z$/, "Z") ?? "never";

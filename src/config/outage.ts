/** How long Redis may be away before producers are refused; shorter outages go unnoticed by them. */
export const MAX_OUTAGE_MS = 5000;
